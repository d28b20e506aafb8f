"""The truth on disk beside the vectors: which photos there are, what they hold, why some failed.

`migrations` makes the schema, `tables` types it, `database` opens it, `reader` asks; `run` is one
indexing run, in which `survey` compares a listing with what is known and `record` writes what was read.
Nothing outside this package knows that it is SQLite.
"""
