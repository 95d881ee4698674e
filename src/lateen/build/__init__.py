"""An `image:` name becomes a local process: found in source, built as its Dockerfile means, kept by content."""
