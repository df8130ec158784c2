"""Plain records: what JSON lists and XML have in common after parsing."""
