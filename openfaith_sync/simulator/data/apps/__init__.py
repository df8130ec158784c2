"""What each app of a whole church holds: one file per app."""
