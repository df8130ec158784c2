"""Every dialect under one contract."""
