import numpy as np
from catalogues import reindex, sketches

RULES, WIDTH = 1, 8


def test_sketches(store, index, tmp_path):
    ids = store.catalogue.contents.live()[0]
    assert store.catalogue.sketches.missing(RULES).tolist() == ids.tolist()
    store.catalogue.sketches.add(sketches(ids[:4]), RULES)
    assert store.catalogue.sketches.missing(RULES).tolist() == ids[4:].tolist()
    assert store.catalogue.sketches.missing(RULES + 1).tolist() == ids.tolist()
    store.catalogue.sketches.add(sketches(ids[4:]), RULES)
    known, vectors = store.catalogue.sketches.all(WIDTH)
    assert known.tolist() == ids.tolist()
    assert (vectors.dtype, vectors.tolist()) == (np.int8, [sketches([one])[one].tolist() for one in ids.tolist()])
    reindex(index, tmp_path / "archive" / "001.jpg")
    assert len(store.catalogue.sketches.all(WIDTH)[0]) == 5


def test_a_sketch_by_new_rules_replaces_the_old(store):
    first, *_ = store.catalogue.contents.live().ids.tolist()
    store.catalogue.sketches.add({first: np.full(WIDTH, 1, np.int8)}, RULES)
    store.catalogue.sketches.add({first: np.full(WIDTH, -7, np.int8)}, RULES + 1)
    ids, vectors = store.catalogue.sketches.all(WIDTH)
    assert (ids.tolist(), vectors.tolist()) == ([first], [[-7] * WIDTH])
    assert first in store.catalogue.sketches.missing(RULES)
    assert first not in store.catalogue.sketches.missing(RULES + 1)
