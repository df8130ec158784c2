"""Reading pages and walking listings to their end."""
