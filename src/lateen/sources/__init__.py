"""Files and folders that objects come from."""
