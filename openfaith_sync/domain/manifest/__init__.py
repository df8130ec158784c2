"""What a manifest may say, and the dependency graph that follows from it."""
