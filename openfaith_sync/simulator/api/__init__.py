"""Routes, queries, selections and documents."""
