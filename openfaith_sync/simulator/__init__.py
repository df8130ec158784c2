"""An API server made from a manifest, with a simulated church behind it."""
