"""What is due for an org, and when a failed run is tried again."""
