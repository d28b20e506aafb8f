import io
import shutil

import numpy as np
import pytest
from photos import archive, photo, scene
from PIL import Image

from retrieval import Embedder, Index
from retrieval.errors import ModelMismatchError, PhotoError, QueryError
from retrieval.search import exact


@pytest.fixture
def filled(index, tmp_path):
    index.add(archive(tmp_path / "a", 30))
    return index


def test_an_indexed_photo_is_its_own_nearest_without_a_pass(filled, tmp_path):
    with Index.open(filled.folder, model=None) as fresh:
        answer = fresh.query(tmp_path / "a" / "007.jpg", k=5)
        assert fresh.embedder.passes == 0
    assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4, 5]
    assert answer.hits[0].path == tmp_path / "a" / "007.jpg"
    assert answer.hits[0].score == pytest.approx(1, abs=1e-3)
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)


def test_known_bytes_are_known_anywhere(filled, tmp_path):
    shutil.copy(tmp_path / "a" / "003.jpg", tmp_path / "elsewhere.jpg")
    passes = filled.embedder.passes
    for image in (tmp_path / "elsewhere.jpg", (tmp_path / "elsewhere.jpg").read_bytes()):
        assert filled.query(image, k=1).hits[0].path.name == "003.jpg"
    assert filled.embedder.passes == passes


def test_a_file_that_changed_since_is_not_taken_for_the_old_one(filled, tmp_path):
    photo(tmp_path / "a" / "003.jpg", 999)
    passes = filled.embedder.passes
    filled.query(tmp_path / "a" / "003.jpg")
    assert filled.embedder.passes == passes + 1


def test_paths_bytes_pictures_and_arrays_ask_alike(filled, tmp_path):
    picture = scene(100)
    picture.save(tmp_path / "q.png")
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    answers = filled.query_many(
        [str(tmp_path / "q.png"), tmp_path / "q.png", buffer.getvalue(), picture, np.asarray(picture)], k=4
    )
    hits = [[(hit.path, pytest.approx(hit.score, abs=1e-5)) for hit in answer.hits] for answer in answers]
    assert all(other == hits[0] for other in hits)
    grey = np.asarray(picture.convert("L"))
    assert filled.query(grey).hits == filled.query(Image.fromarray(grey)).hits


def test_hits_are_those_of_exact_search(filled, tmp_path):
    names = sorted((tmp_path / "a").iterdir())
    vectors = np.stack([embedding.vector for embedding in filled.embedder.embed(names)])
    query = filled.embedder.embed([scene(500)])[0].vector
    _, rows = exact.search(vectors, query[np.newaxis], 10)
    assert [hit.path for hit in filled.query(scene(500), k=10).hits] == [names[row] for row in rows[0]]


def test_predictions_of_a_stored_photo_are_those_of_the_network(filled, tmp_path):
    path = tmp_path / "a" / "011.jpg"
    stored, fresh = filled.query(path).predictions, filled.embedder.embed([path])[0].predictions
    assert [one.species for one in stored] == [one.species for one in fresh]
    assert [one.probability for one in stored] == pytest.approx([one.probability for one in fresh], abs=2e-3)
    assert len(stored) == 5
    assert sum(one.probability for one in stored) == pytest.approx(1)
    best = filled.query(path, k=1).hits[0]
    assert (best.species, best.probability) == (fresh[0].species, pytest.approx(fresh[0].probability))


def test_top_and_min_score(filled, tmp_path):
    path = tmp_path / "a" / "000.jpg"
    scores = [hit.score for hit in filled.query(path, k=30).hits]
    assert len(scores) == 30
    floor = scores[3]
    assert [hit.score for hit in filled.query(path, k=30, min_score=floor).hits] == scores[:4]
    assert len(filled.query(path, top=2).predictions) == 2
    assert filled.query(path, top=0).predictions == ()


def test_k_beyond_the_count_gives_all(filled):
    assert len(filled.query(scene(1), k=10**9).hits) == 30


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_no_question(filled, k):
    with pytest.raises(QueryError, match=f"k is {k}"):
        filled.query(scene(1), k=k)


def test_an_image_that_cannot_be_read_answers_with_its_failure(filled, tmp_path):
    (tmp_path / "text.jpg").write_text("no photo")
    images = [tmp_path / "text.jpg", tmp_path / "missing.jpg", tmp_path, b"", scene(1)]
    answers = list(filled.query_many(images, k=3))
    assert [answer.failure and answer.failure.kind for answer in answers] == [
        "not-a-photo",
        "unreadable",
        "not-a-photo",
        "empty",
        None,
    ]
    assert [len(answer.hits) for answer in answers] == [0, 0, 0, 0, 3]


def test_many_queries_come_in_order(filled, tmp_path):
    names = sorted((tmp_path / "a").iterdir())
    asked = [names[number % 30] for number in range(100)]
    assert [answer.hits[0].path for answer in filled.query_many(asked, k=1)] == asked


def test_an_empty_index_answers_with_the_species_alone(index):
    answer = index.query(scene(1))
    assert answer.hits == ()
    assert len(answer.predictions) == 5


def test_without_its_weights_stored_photos_still_answer(tmp_path, model):
    weights = shutil.copy(model, tmp_path / "weights.safetensors")
    folder = archive(tmp_path / "a", 3)
    with Index.create(tmp_path / "index", model=str(weights)) as index:
        index.add(folder)
    weights.unlink()
    with Index.open(tmp_path / "index") as index:
        assert len(index.query(folder / "000.jpg").predictions) == 5
        with pytest.raises(Exception, match=r"weights\.safetensors"):
            index.query(scene(9))
    with Index.open(tmp_path / "index", model=str(model)) as index:
        assert len(index.query(scene(9)).hits) == 3


def test_a_lost_classifier_is_written_again(filled, tmp_path):
    path = tmp_path / "a" / "000.jpg"
    before = filled.query(path).predictions
    (filled.folder / "head.safetensors").unlink()
    with Index.open(filled.folder) as index:
        assert index.verify().problems[0].place == "head"
        assert index.query(path).predictions[0].species == before[0].species
        index.add()
        assert index.verify().problems == ()


def test_tail_and_search_index_answer_alike(index, tmp_path):
    folder = archive(tmp_path / "a", 300)
    index.add(folder)
    photo(folder / "late.jpg", 9_999)
    index.add(folder)
    assert index.status().search.tail == 1
    assert index.query(folder / "late.jpg", k=1).hits[0].path.name == "late.jpg"
    assert len(index.query(scene(5), k=301).hits) == 301


def test_embedder_alone(model, tmp_path):
    embedder = Embedder(str(model), device="cpu", batch_size=4)
    embeddings = embedder.embed(scene(seed) for seed in range(11))
    assert embedder.passes == 11
    assert all(np.linalg.norm(embedding.vector) == pytest.approx(1, abs=1e-6) for embedding in embeddings)
    logits = embedder.head.logits(np.stack([one.vector * one.norm for one in embeddings]))
    assert [embedder.head.labels[row.argmax()] for row in logits] == [one.predictions[0].species for one in embeddings]
    with pytest.raises(PhotoError, match=r"missing\.jpg: "):
        embedder.embed([scene(1), tmp_path / "missing.jpg"])
    with pytest.raises(PhotoError, match="give uint8"):
        embedder.embed([np.zeros((3, 4, 5), np.uint8)])


def test_eight_orientations_embed_alike(index, tmp_path):
    upright = scene(3, (160, 120))
    for orientation in range(1, 9):
        stored = upright
        for turn in _undo(orientation):
            stored = stored.transpose(turn)
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored.save(tmp_path / f"{orientation}.jpg", quality=95, exif=exif)
    vectors = np.stack(
        [one.vector for one in index.embedder.embed(tmp_path / f"{orientation}.jpg" for orientation in range(1, 9))]
    )
    assert (vectors @ vectors.T).min() >= 0.99


def _undo(orientation: int) -> tuple[Image.Transpose, ...]:
    """What turns an upright picture into the stored one of an EXIF orientation."""
    turn = Image.Transpose
    return (
        (),
        (turn.FLIP_LEFT_RIGHT,),
        (turn.ROTATE_180,),
        (turn.FLIP_TOP_BOTTOM,),
        (turn.TRANSPOSE,),
        (turn.ROTATE_90,),
        (turn.TRANSVERSE,),
        (turn.ROTATE_270,),
    )[orientation - 1]


def test_a_model_without_classes_answers_without_species(tmp_path):
    from tiny import tiny_checkpoint

    weights = tiny_checkpoint(tmp_path / "bare.safetensors", classes=0)
    folder = archive(tmp_path / "a", 3)
    with Index.create(tmp_path / "index", model=str(weights)) as index:
        index.add(folder)
        answer = index.query(folder / "000.jpg")
        assert (answer.predictions, answer.hits[0].species) == ((), None)
        assert index.verify().problems == ()


def test_wrong_weights_are_refused_when_they_are_needed(filled, tmp_path):
    from tiny import tiny_checkpoint

    other = tiny_checkpoint(tmp_path / "other.safetensors", seed=3)
    with pytest.raises(ModelMismatchError):
        Index.open(filled.folder, model=str(other))
