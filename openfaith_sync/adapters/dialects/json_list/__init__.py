"""JSON records as they are, in a bare list or in an object of the source's own."""
