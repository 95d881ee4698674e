"""What each proxy is told for the objects in the store."""
