"""Plain records: what JSON lists and XML have in common once they are parsed."""
