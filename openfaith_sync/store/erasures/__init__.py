"""What was erased, by keyed hashes, and how it is kept out."""
