"""Keep figures over time, on disk and bounded."""
