"""Opening the database; secrets at rest."""
