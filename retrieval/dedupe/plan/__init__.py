"""The plan of removals that a person reads and edits: its records, and how they are written as CSV or JSON."""
