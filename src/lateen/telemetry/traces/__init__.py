"""Traces: spans taken, kept for a while, found again, handed on."""
