"""Answer questions in PromQL."""
