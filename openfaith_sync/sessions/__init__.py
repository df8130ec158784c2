"""Sessions: an org's source and store, opened together."""
