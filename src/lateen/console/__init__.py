"""What a browser shows of the mesh."""
