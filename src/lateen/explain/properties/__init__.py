"""Prove or refute what is to hold for all requests."""
