"""Taps: requests as they pass."""
