"""The store's objects as one frozen, indexed view."""
