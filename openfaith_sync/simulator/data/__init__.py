"""The simulated church and its mutations."""
