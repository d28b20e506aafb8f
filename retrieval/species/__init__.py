"""Names of species and their spellings."""
