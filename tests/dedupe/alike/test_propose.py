from dataclasses import replace

import numpy as np
import pytest
from photos import archive
from textures import EDITS, saved, textured

from retrieval import Index
from retrieval.dedupe.alike.propose import MIN_SKETCH, ProposalSettings, Proposer
from retrieval.dedupe.alike.sketch import DIMENSION, RULES
from retrieval.store import Store


@pytest.fixture
def store(index: Index):
    """The index's files, open beside it."""
    opened = Store.open(index.folder)
    yield opened
    opened.close()


def proposals(proposer: Proposer) -> dict[int, set[int]]:
    return {one.content: set(one.others.tolist()) for one in proposer.of(proposer.contents)}


def content_of(store: Store, name: str) -> int:
    [copy] = store.catalogue.copies.at("archive", [name])
    return copy.content


def with_sketches(store: Store, sketches: np.ndarray) -> None:
    contents = store.catalogue.contents.live()[0].tolist()
    store.catalogue.sketches.add(dict(zip(contents, sketches, strict=True)), RULES)


def random_sketches(count: int) -> np.ndarray:
    return np.random.RandomState(0).randint(-127, 128, (count, DIMENSION)).astype(np.int8)


def test_nobody_is_proposed_to_itself_or_twice(index, store, tmp_path):
    index.add(archive(tmp_path / "archive", 15))
    index.duplicates()
    proposer = Proposer(store)
    assert len(proposer.contents) == 15
    for one in proposer.of(proposer.contents):
        others = one.others.tolist()
        assert one.content not in others
        assert len(others) == len(set(others)) == len(one.cosines)
        assert set(others) <= set(proposer.contents.tolist())


def test_cosines_are_those_of_the_embeddings(index, store, tmp_path):
    index.add(archive(tmp_path / "archive", 12))
    index.duplicates()
    contents, rows = store.catalogue.contents.live()
    vectors = dict(zip(contents.tolist(), store.vectors.read(12)[rows].astype(np.float32), strict=True))
    proposer = Proposer(store)
    for one in proposer.of(contents):
        expected = [vectors[other] @ vectors[one.content] for other in one.others.tolist()]
        assert one.cosines == pytest.approx(expected, abs=1e-5)
        assert len(expected) > 0


def test_a_copy_is_proposed_though_its_embedding_is_far(index, store, tmp_path):
    names = ["grey", "mirrored", "rotated", "recompressed", "half", "crop 10 %", "warmer", "watermarked"]
    for seed, name in enumerate(names):
        picture = textured(seed, (160, 120))
        saved(picture, tmp_path / "archive" / f"{name} of.jpg", quality=92)
        saved(EDITS[name](picture), tmp_path / "archive" / f"{name}.jpg", quality=92)
    index.add(tmp_path / "archive")
    index.duplicates()
    found = proposals(Proposer(store, ProposalSettings(by_embedding=0, by_sketch=2)))
    for name in names:
        original, edit = content_of(store, f"{name} of.jpg"), content_of(store, f"{name}.jpg")
        assert edit in found[original] or original in found[edit], name


def test_the_nearest_embeddings_are_proposed(index, store, tmp_path):
    """Where sketches say nothing against it."""
    index.add(archive(tmp_path / "archive", 40))
    with_sketches(store, np.zeros((40, DIMENSION), np.int8))
    contents, rows = store.catalogue.contents.live()
    vectors = store.vectors.read(40)[rows].astype(np.float32)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    found = proposals(Proposer(store, ProposalSettings(by_sketch=0, by_embedding=5, max_hash_distance=-1)))
    for number, content in enumerate(contents.tolist()):
        nearest = set(contents[np.argsort(-cosines[number])[:5]].tolist())
        assert len(found[content] & nearest) >= 4  # the same up to ties
        assert len(found[content]) in (5, 6)


def test_sketches_that_are_nothing_alike_rule_a_pair_out(index, store, tmp_path):
    index.add(archive(tmp_path / "archive", 12))
    sketches = random_sketches(12)
    sketches[1] = np.clip(sketches[0].astype(int) // 2 + sketches[1] // 2, -127, 127)  # the first two are alike
    sketches[2] = 0  # a picture without points
    with_sketches(store, sketches)
    unit = sketches / np.maximum(np.linalg.norm(sketches.astype(float), axis=1, keepdims=True), 1)
    alike = unit @ unit.T
    proposer = Proposer(store, ProposalSettings(max_hash_distance=-1))
    contents, found = proposer.contents.tolist(), proposals(proposer)
    assert contents[1] in found[contents[0]]
    assert any(contents[2] in some for some in found.values())  # nothing can be said against it
    for a, one in enumerate(contents):
        for b, other in enumerate(contents):
            if 2 not in (a, b) and alike[a, b] < MIN_SKETCH - 0.01:
                assert other not in found[one]


def test_hashes_that_differ_in_few_bits_are_proposed(index, store, tmp_path):
    """Whatever sketches and embeddings say: pictures without points have nothing else."""
    index.add(archive(tmp_path / "archive", 12))
    with_sketches(store, random_sketches(12))
    contents = store.catalogue.contents.live()[0].tolist()
    previews = store.catalogue.previews.of(contents)
    base = int.from_bytes(previews[contents[0]].hash)
    changed = {contents[1]: base ^ 0b111, contents[2]: base ^ (0xF << 30), contents[3]: base ^ 0xFFFF}
    for content, value in changed.items():
        store.catalogue.previews.add({content: replace(previews[content], hash=value.to_bytes(8))})
    found = proposals(Proposer(store, ProposalSettings(by_sketch=0, by_embedding=0)))
    assert {contents[1], contents[2]} <= found[contents[0]]
    assert contents[3] not in found[contents[0]]
    assert contents[0] in found[contents[1]]


def test_what_went_away_is_not_proposed(index, store, tmp_path):
    folder = archive(tmp_path / "archive", 10)
    index.add(folder)
    index.duplicates()
    gone = content_of(store, "004.jpg")
    (folder / "004.jpg").unlink()
    index.add(folder)
    proposer = Proposer(store)
    assert gone not in proposer.contents.tolist()
    assert all(gone not in others for others in proposals(proposer).values())


def test_the_order_has_every_content_once(index, store, tmp_path):
    index.add(archive(tmp_path / "archive", 12))
    index.duplicates()
    proposer = Proposer(store)
    some = proposer.contents[3:10]
    assert sorted(proposer.order(some).tolist()) == sorted(some.tolist())
    assert len(proposer.order(some[:0])) == 0


def test_many_sketches_are_searched_by_an_index_of_their_own(index, store, tmp_path):
    index.add(archive(tmp_path / "archive", 80))
    sketches = random_sketches(80)
    sketches[1::2] = sketches[::2]  # two of each
    with_sketches(store, sketches)
    proposer = Proposer(store, ProposalSettings(by_embedding=0, exact_sketches=40))
    contents, found = proposer.contents.tolist(), proposals(proposer)
    pairs = zip(contents[::2], contents[1::2], strict=True)
    assert np.mean([one in found[other] or other in found[one] for one, other in pairs]) >= 0.95
