"""Records as text: table, TSV, CSV, JSON and JSON lines. Pure functions; writing it out is the edge's work."""
