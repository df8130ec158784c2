"""An API server made from a manifest."""
