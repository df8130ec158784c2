"""An org's connection: what was granted, what is refused, what a deployment sets."""
