"""Duplicates: embeddings propose pairs, pixels decide, a person reads the plan, and a run removes files.

`alike/` decides whether two files show one picture, and `plan/` is what a person reads and edits; neither imports
another of these packages. `groups/` and `run/` may import both, and do not know each other. Only `run/` changes files
outside the index folder.
"""
