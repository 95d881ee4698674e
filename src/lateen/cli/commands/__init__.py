"""What can be typed: each file a group of commands, with their options and help."""
