"""Applies a plan and undoes it: the only package that changes files of an archive."""
