"""The simulated church and the mutations that change it."""
