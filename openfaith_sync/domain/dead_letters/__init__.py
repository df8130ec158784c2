"""Dead letters: records that were set aside, and what their replay needs."""
