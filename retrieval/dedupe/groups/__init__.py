"""Groups of duplicates: which files belong together, and which one stays."""
