"""The plan that a person reads and edits, as records, files and a page."""
