"""The parts of `million.py`: search at a million photos, measured beside other libraries."""
