"""Dead letters as people and replays read them."""
