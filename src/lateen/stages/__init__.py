"""The long-running loops, thin over the pure code."""
