"""From the name of an image to a process that can be run."""
