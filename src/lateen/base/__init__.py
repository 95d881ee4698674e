"""Values every stage shares: where a value came from, what is wrong with it, errors, tasks, clock."""
