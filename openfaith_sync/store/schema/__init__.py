"""Tables, migrations, row-level security and roles."""
