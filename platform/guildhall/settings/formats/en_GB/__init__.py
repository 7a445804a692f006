"""British English, as LANGUAGE_CODE says."""
