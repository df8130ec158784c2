"""How a raw record becomes a canonical record or a rejection."""
