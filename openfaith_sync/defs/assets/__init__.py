"""Assets: one for each entity of a manifest."""
