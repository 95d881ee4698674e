"""What the world says of the objects in the store."""
