"""The ordered schema steps of the catalogue: the schema's only author.

A step is never edited once a release carries it: indexes in the field have run it. Add a new one below instead.
`tables` declares the same schema for queries; a test holds the two against each other. The steps are SQLite's; another
dialect has steps of its own (see the package), and takes them by the same functions.
"""

from sqlalchemy import Connection, inspect, text

from retrieval.errors import IndexFormatError

Step = tuple[str, tuple[str, ...]]  # name, statements

STEPS: tuple[Step, ...] = (
    (
        "content and photos",
        (
            # An archive folder; where it is mounted stands in index.json.
            "CREATE TABLE root (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
            # What is true of a file's bytes, wherever copies of it lie: one network pass each.
            """CREATE TABLE content (
                id INTEGER PRIMARY KEY,
                hash BLOB NOT NULL UNIQUE,
                vector_row INTEGER UNIQUE,
                norm DOUBLE,
                species TEXT,
                probability DOUBLE,
                live BOOLEAN NOT NULL DEFAULT 0,
                format TEXT,
                width INTEGER,
                height INTEGER,
                taken_at TEXT,
                latitude DOUBLE,
                longitude DOUBLE,
                camera TEXT,
                lens TEXT,
                failure_kind TEXT,
                failure TEXT,
                CHECK ((vector_row IS NULL) = (norm IS NULL)),
                CHECK ((vector_row IS NULL) <> (failure_kind IS NULL))
            )""",
            # The vectors that search must mask: few, and wanted at every query.
            "CREATE INDEX content_dead ON content (vector_row) WHERE live = 0 AND vector_row IS NOT NULL",
            # One file of the archive, now or once.
            """CREATE TABLE photo (
                id INTEGER PRIMARY KEY,
                root_id INTEGER NOT NULL REFERENCES root (id),
                path BLOB NOT NULL,
                size INTEGER NOT NULL,
                mtime_ns INTEGER NOT NULL,
                content_id INTEGER REFERENCES content (id),
                state TEXT NOT NULL CHECK (state IN ('indexed', 'failed', 'gone')),
                failure_kind TEXT,
                failure TEXT,
                gone_at TEXT,
                UNIQUE (root_id, path),
                CHECK ((state = 'gone') = (gone_at IS NOT NULL))
            )""",
            "CREATE INDEX photo_content ON photo (content_id)",
            "CREATE INDEX photo_state ON photo (state)",
        ),
    ),
    (
        "looks and likenesses",
        (
            # Apart from content, whose rows are read by the million where no thumbnail is wanted.
            """CREATE TABLE look (
                content_id INTEGER PRIMARY KEY REFERENCES content (id) ON DELETE CASCADE,
                hash BLOB NOT NULL,
                thumbnail BLOB NOT NULL
            )""",
            # What duplicates are sought by: derived from thumbnails, under numbered rules.
            """CREATE TABLE sketch (
                content_id INTEGER PRIMARY KEY REFERENCES content (id) ON DELETE CASCADE,
                rules INTEGER NOT NULL,
                vector BLOB NOT NULL
            )""",
            # Contents that were compared with everything that was there: only what is not in here is new.
            """CREATE TABLE compared (
                content_id INTEGER PRIMARY KEY REFERENCES content (id) ON DELETE CASCADE,
                rules INTEGER NOT NULL
            )""",
            # Two contents that show the same picture, and how that is known.
            """CREATE TABLE likeness (
                first_id INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
                second_id INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
                kind TEXT NOT NULL CHECK (kind IN ('same-pixels', 'near')),
                cosine DOUBLE NOT NULL,
                score DOUBLE NOT NULL,
                reason TEXT NOT NULL,
                PRIMARY KEY (first_id, second_id),
                CHECK (first_id < second_id)
            )""",
            "CREATE INDEX likeness_second ON likeness (second_id)",
            # What a person said are no duplicates: by SHA-256, so that it outlives every row above.
            """CREATE TABLE different (
                first BLOB NOT NULL,
                second BLOB NOT NULL,
                PRIMARY KEY (first, second),
                CHECK (first < second)
            )""",
        ),
    ),
    (
        "absent photos and dead vectors",
        (
            # Nearly every photo is indexed. An index over all states would tempt SQLite, which takes three values for
            # three equal parts, to begin each look-up of twenty photos with a million.
            "DROP INDEX photo_state",
            "CREATE INDEX photo_absent ON photo (state, gone_at) WHERE state = 'gone' OR state = 'failed'",
            # As before, and with `live`: else SQLite looks up in the table what the index's own condition says.
            "DROP INDEX content_dead",
            "CREATE INDEX content_dead ON content (vector_row, live) WHERE live = 0 AND vector_row IS NOT NULL",
        ),
    ),
    (
        "filters",
        (
            # What photos are chosen by. Each index has vector_row too: it alone gives the answer. Photos without
            # the value are not in it: no question about something else is tempted to walk through it.
            """CREATE INDEX content_species ON content (species, probability, vector_row)
                WHERE species IS NOT NULL""",
            "CREATE INDEX content_taken_at ON content (taken_at, vector_row) WHERE taken_at IS NOT NULL",
            "CREATE INDEX content_camera ON content (camera, vector_row) WHERE camera IS NOT NULL",
            """CREATE INDEX content_place ON content (latitude, longitude, vector_row)
                WHERE latitude IS NOT NULL""",
        ),
    ),
    (
        "previews, and hashes of older rules",
        (
            "ALTER TABLE look RENAME TO preview",
            # Contents whose perceptual hashes are to be computed again, by ranges of their ids.
            """CREATE TABLE outdated_hash (
                first_id INTEGER PRIMARY KEY,
                last_id INTEGER NOT NULL,
                rules INTEGER NOT NULL,
                CHECK (first_id <= last_id)
            )""",
            # All that there are. The last id is found at once; rehashing a million takes long, and is left to a run.
            """INSERT INTO outdated_hash
                SELECT 0, last_id, 1 FROM (SELECT max(content_id) AS last_id FROM preview) WHERE last_id IS NOT NULL""",
        ),
    ),
    (
        "plain names for matches",
        (
            # A negative number of rules meant that a family was not yet complete.
            "ALTER TABLE compared ADD COLUMN family_complete BOOLEAN NOT NULL DEFAULT 0",
            "UPDATE compared SET family_complete = rules > 0, rules = abs(rules)",
            "ALTER TABLE likeness RENAME TO picture_match",
            "DROP INDEX likeness_second",
            "CREATE INDEX picture_match_second ON picture_match (second_id)",
            "ALTER TABLE different RENAME TO ignored_pair",
        ),
    ),
    (
        "what would be lost between matches",
        (
            # Made again: SQLite cannot change a condition. What is there stays readable until it is found anew.
            """CREATE TABLE new_match (
                first_id INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
                second_id INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
                kind TEXT NOT NULL
                    CHECK (kind IN ('same-pixels', 'near', 'altered', 'overlap', 'same-scene', 'raw+jpeg')),
                cosine DOUBLE NOT NULL,
                score DOUBLE NOT NULL,
                reason TEXT NOT NULL,
                first_lacks TEXT NOT NULL,
                second_lacks TEXT NOT NULL,
                places TEXT NOT NULL,
                PRIMARY KEY (first_id, second_id),
                CHECK (first_id < second_id)
            )""",
            """INSERT INTO new_match
                SELECT first_id, second_id, kind, cosine, score, reason, '', '', '' FROM picture_match""",
            "DROP TABLE picture_match",
            "ALTER TABLE new_match RENAME TO picture_match",
            "CREATE INDEX picture_match_second ON picture_match (second_id)",
        ),
    ),
)


def applied(connection: Connection) -> int:
    """Return how many steps the catalogue has behind it; 0 for an empty database."""
    if not inspect(connection).has_table("migration"):
        return 0
    return int(connection.execute(text("SELECT count(*) FROM migration")).scalar_one())


def pending(connection: Connection, steps: tuple[Step, ...] = STEPS) -> int:
    """Return how many steps the catalogue lacks; raise IndexFormatError for one of a newer program."""
    done = applied(connection)
    if done > len(steps):
        raise IndexFormatError(
            f"the catalogue has schema step {done}, this version knows {len(steps)}: upgrade retrieval to open it"
        )
    return len(steps) - done


def migrate(connection: Connection, steps: tuple[Step, ...] = STEPS) -> int:
    """Bring the schema up to date inside the caller's transaction; return how many steps ran."""
    missing = pending(connection, steps)
    connection.execute(text("CREATE TABLE IF NOT EXISTS migration (step INTEGER PRIMARY KEY, name TEXT NOT NULL)"))
    for number, (name, statements) in enumerate(steps, start=1):
        if number <= len(steps) - missing:
            continue
        for statement in statements:
            connection.execute(text(statement))
        connection.execute(text("INSERT INTO migration VALUES (:step, :name)"), {"step": number, "name": name})
    return missing
