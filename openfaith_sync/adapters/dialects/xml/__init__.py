"""XML records: elements with attributes, text and children."""
