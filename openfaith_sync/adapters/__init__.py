"""The outside APIs and the manifest files that describe them."""
