"""What is wrong now, and the command that helps."""
