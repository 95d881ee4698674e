"""API objects and world to IR; all precedence and merging lives here."""
