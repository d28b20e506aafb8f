"""Duplicates: the embedding proposes, pixels decide, a person reads the plan, and only `apply` touches a file.

propose -> compare -> group -> plan -> apply, undo. Nothing before `apply` writes outside the index folder.
"""
