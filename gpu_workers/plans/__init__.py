"""Plans: what a change would do to a database or an installation, worked out without either. Nothing is applied here."""
