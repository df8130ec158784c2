"""What clients need of others, as Protocols."""
