"""The page a browser shows."""
