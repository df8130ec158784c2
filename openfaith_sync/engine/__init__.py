"""The algorithms, one file a sync mode."""
