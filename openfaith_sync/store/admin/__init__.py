"""Reports, pruning, erasure, settings and key rotation."""
