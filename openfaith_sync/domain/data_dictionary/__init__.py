"""The data dictionary: what every table and column holds, as values and as documents."""
