"""Evidence for deletions, holds and older versions."""
