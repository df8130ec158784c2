"""Resources, partitions, the I/O manager and error translation."""
