"""What becomes of each resource that a source documents."""
