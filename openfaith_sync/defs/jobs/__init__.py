"""Jobs and maintenance."""
