"""The control surface below ``/_sim/``."""
