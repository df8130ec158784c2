"""Plain JSON records, in a list or in an object of the source's own shape."""
