"""Records: as they came, as they are stored, merged or nested."""
