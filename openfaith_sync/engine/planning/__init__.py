"""What a plan needs to know before a sync runs."""
