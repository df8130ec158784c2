"""The page commit."""
