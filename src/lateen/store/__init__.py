"""Objects, revisions and watches, on SQLite or in memory."""
