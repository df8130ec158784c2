"""Page checks, windows over numbered pages, rows and ids, shared by all dialects."""
