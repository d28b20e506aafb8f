"""The truth on disk beside the vectors: which photos there are, what they hold, why some failed.

`catalogue` is the door: a `Catalogue` has one attribute for each noun (photos, contents, copies, files, failures,
previews, sketches, matches, ignored pairs), whose class has its SQL inside and gives typed rows. `run` is one indexing
run, in which `listing` compares what a walk listed with what is known and `record` writes what was read. `criteria` is
a filter in the catalogue's own terms, `integrity` looks for contradictions. `tables` types the schema, `migrations`
makes it, `database` opens it. No connection, transaction or statement leaves this package.

A second dialect
----------------
What cannot be said in portable SQL is the protocol `dialect.Dialect`, and `sqlite.SQLite` is its implementation. For
PostgreSQL, say, one writes `postgresql.py` beside it:

- `engine` connects, with transactions that are snapshots (REPEATABLE READ); `is_writable` asks the server.
- `steps` are the schema's DDL in its words. A new database needs no history: its first step makes what all of SQLite's
  steps together make, as `tables` declares it; later steps are added to both. A test compares each with `tables`.
- `trouble` reads SQLSTATE, `version` is pg_current_snapshot(), `any_of` is "= ANY" with an array for `ids`, `numbers`
  is a plain query, `add_if_new` and `add_or_replace` are its own INSERT ... ON CONFLICT, `add_many` is COPY.
- `Catalogue` chooses the dialect by where index.json says that the catalogue lies.

It need not touch any noun, the run or the criteria, nor anything outside this package: they ask the dialect, or say
what both understand (NULLS LAST, IS NOT DISTINCT FROM, recursive common table expressions, sin and radians).
"""
