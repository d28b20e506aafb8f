"""The parts of `lookalikes.py`: made pairs of shots and edits, and whether a detector would remove the wrong file."""
