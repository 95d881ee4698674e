"""A mesh that is not there: what the console's pages are tried on without starting one."""
