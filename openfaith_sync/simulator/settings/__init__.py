"""Settings, faults and limits as data."""
