"""Reason about all requests at once: classes of texts, diagrams over them, and what plans do with each."""
