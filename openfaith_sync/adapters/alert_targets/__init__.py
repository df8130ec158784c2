"""The places that alerts are sent to."""
