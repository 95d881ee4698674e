"""What constructs and connects everything."""
