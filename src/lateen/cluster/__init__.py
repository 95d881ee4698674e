"""Controllers, each a pure step from observed and desired to actions."""
