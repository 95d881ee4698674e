"""What is wrong with one object, or with several together."""
