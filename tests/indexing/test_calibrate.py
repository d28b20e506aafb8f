"""An index in int8: calibrated on its first photos, run from its own files ever after."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from photos import archive, photo

from retrieval import Embedder, Index
from retrieval.cli import main
from retrieval.engines.openvino import calibrated
from retrieval.errors import IndexFormatError, ModelError, ModelMismatchError
from retrieval.indexing.calibrate import LEAST, agreement
from retrieval.manifest import Calibration
from retrieval.search import exact
from retrieval.store import Store

pytest.importorskip("retrieval.engines.openvino.engine", exc_type=ImportError)

PHOTOS = 60
FILES = ("int8.json", "int8.xml", "int8.bin")


@pytest.fixture(scope="module")
def made(tmp_path_factory, model) -> tuple[Path, Path]:
    """The folder of an index in int8, and its photos."""
    root = tmp_path_factory.mktemp("int8")
    photos = archive(root / "photos", PHOTOS)
    with Index.create(root / "index", model=str(model), precision="int8", device="cpu") as index:
        phases = []
        report = index.add(photos, progress=lambda now: phases.append((now.phase, now.done, now.total)))
    assert report.added == report.embedded == PHOTOS
    calibrating = [(done, total) for phase, done, total in phases if phase == "calibrating"]
    assert calibrating == sorted(calibrating)
    assert calibrating[-1][0] == calibrating[-1][1] > PHOTOS
    return root / "index", photos


@pytest.fixture
def copied(made, tmp_path) -> tuple[Path, Path]:
    return shutil.copytree(made[0], tmp_path / "index"), made[1]


def test_status_says_how_near_it_is_to_fp32(made):
    with Index.open(made[0]) as index:
        found = index.status().calibration
        assert index.status().model.precision == "int8"
    assert found is not None
    assert (found.photos, found.held_back, found.k) == (24, 36, 3)
    assert 0.8 < found.overlap <= 1
    assert 0.99 < found.lowest_cosine <= found.mean_cosine <= 1
    text = CliRunner().invoke(main, ["status", "--index", str(made[0])]).stdout
    assert (
        f"int8, calibrated on 24 photos; on 36 held back the 3 nearest agree with fp32 to {found.overlap:.3f}, "
        f"cosine {found.mean_cosine:.4f} on average, {found.lowest_cosine:.4f} at least" in text
    )
    document = json.loads(CliRunner().invoke(main, ["status", "--format", "json", "--index", str(made[0])]).stdout)
    assert document["calibration"]["overlap"] == round(found.overlap, 6)
    assert set(FILES) < set(document["size_bytes"])


def test_its_vectors_are_near_those_in_fp32_and_not_the_same(made, model):
    folder, photos = made
    paths = sorted(photos.iterdir())
    plain = np.stack([one.vector for one in Embedder(str(model), device="cpu", precision="fp32").embed(paths)])
    with Index.open(folder) as index:
        own = np.stack([one.vector for one in index.embedder.embed(paths)])
        assert all(index.query(path, k=1).hits[0].path == path for path in paths[:5])
    cosines = (plain * own).sum(axis=1)
    assert cosines.min() > 0.99
    assert cosines.max() < 1 - 1e-7


def test_later_runs_need_neither_torch_nor_the_checkpoint(copied, tmp_path):
    folder, _ = copied
    added = photo(tmp_path / "more" / "new.jpg", 999)
    asked = photo(tmp_path / "asked.jpg", 998)
    code = """
import sys
sys.modules["torch"] = None
from retrieval import Index
from retrieval.models import zoo
def resolve(*_arguments, **_options):
    raise AssertionError("the weights were looked for")
zoo.resolve = resolve
folder, added, asked = sys.argv[1:]
with Index.open(folder) as index:
    assert index.query(asked, k=3).predictions
    assert index.add(added).added == 1
    print(index.query(added + "/new.jpg", k=1).hits[0].path)
"""
    arguments = [sys.executable, "-c", code, str(folder), str(added.parent), str(asked)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(added)


def test_a_lost_head_comes_back_from_the_weights(copied):
    folder, photos = copied
    (folder / "head.safetensors").unlink()
    with Index.open(folder) as index:
        assert index.query(np.zeros((40, 40, 3), np.uint8)).predictions
        index.add(photos)
    assert (folder / "head.safetensors").is_file()


def harm(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.unlink()
    if how == "changed":
        path.write_bytes(content[:-9] + bytes(9))


@pytest.mark.parametrize("how", ["missing", "changed"])
@pytest.mark.parametrize("name", FILES)
def test_without_its_network_it_refuses_to_embed(copied, tmp_path, name, how):
    folder, photos = copied
    harm(folder / name, how)
    before = {path.name: path.stat().st_size for path in folder.iterdir() if path.name.startswith("int8")}
    photo(tmp_path / "more" / "new.jpg", 999)
    with Index.open(folder) as index:
        with pytest.raises(
            IndexFormatError, match=rf"{name} (is missing|has changed).*restore.*index into a new folder"
        ):
            index.query(np.zeros((40, 40, 3), np.uint8))
        with pytest.raises(IndexFormatError, match=name):
            index.add(tmp_path / "more")
        assert index.query(photos / "000.jpg", k=1).hits[0].path == photos / "000.jpg"  # asks no network
        (problem,) = index.verify().problems
        assert problem.place == "network"
        assert name in problem.what
    assert before == {path.name: path.stat().st_size for path in folder.iterdir() if path.name.startswith("int8")}


def test_an_index_json_that_forgot_the_network_is_no_reason_to_make_another(copied, tmp_path):
    folder, _ = copied
    document = json.loads((folder / "index.json").read_bytes())
    del document["calibration"]
    (folder / "index.json").write_text(json.dumps(document))
    photo(tmp_path / "more" / "new.jpg", 999)
    with Index.open(folder) as index:
        assert [problem.place for problem in index.verify().problems] == ["network"]
        with pytest.raises(IndexFormatError, match=r"index\.json does not name its network: restore it"):
            index.add(tmp_path / "more")


def test_interrupted_before_its_settings_are_written_it_is_calibrated_anew(tmp_path, model, monkeypatch):
    photos = archive(tmp_path / "photos", LEAST)
    save = Store.save

    def killed(store, manifest):
        if manifest.calibration:
            raise KeyboardInterrupt
        save(store, manifest)

    with Index.create(tmp_path / "index", model=str(model), precision="int8", device="cpu") as index:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Store, "save", killed)
            index.add(photos)
        assert (tmp_path / "index" / "int8.json").is_file()
        assert index.status().counts.vectors == 0
    with Index.open(tmp_path / "index") as index:
        assert index.status().calibration is None
        assert index.add(photos).added == LEAST
        assert index.verify().problems == ()


def test_another_process_calibrated_it_meanwhile(tmp_path, model):
    photos = archive(tmp_path / "photos", LEAST)
    with Index.create(tmp_path / "index", model=str(model), precision="int8", device="cpu") as index:
        with Index.open(tmp_path / "index") as other:
            other.add(photos)
            made = other.status().calibration
        photo(photos / "new.jpg", 999)
        assert index.add(photos).added == 1
        assert index.status().calibration == made


def test_too_few_photos_are_refused_until_there_are_more(tmp_path, model):
    photos = archive(tmp_path / "photos", LEAST - 1)
    shutil.copy(photos / "000.jpg", photos / "copy.jpg")
    (photos / "broken.jpg").write_bytes(b"no photo")
    with Index.create(tmp_path / "index", model=str(model), precision="int8", device="cpu") as index:
        with pytest.raises(ModelError, match=f"on at least {LEAST} photos, and only {LEAST - 1} different ones"):
            index.add(photos)
        assert index.status().calibration is None
        photo(photos / "another.jpg", 777)
        assert index.add(photos).added == LEAST + 1
        calibration = index.status().calibration
    assert calibration is not None
    assert calibration.photos + calibration.held_back == LEAST


def test_agreement_counts_the_same_neighbours():
    draw = np.random.default_rng(0)
    reference, other = (draw.standard_normal((60, 8)).astype(np.float32) for _ in range(2))
    reference, other = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (reference, other))
    empty = Calibration("0" * 64, 40, 60)
    same = agreement(reference, reference, empty)
    assert (same.k, same.overlap, round(same.lowest_cosine, 6)) == (6, 1, 1)
    half = agreement(reference, np.concatenate([reference[:30], other[30:]]), empty)
    assert 0.1 < half.overlap < 0.8
    assert half.lowest_cosine < 0.9


def test_int8_is_refused_where_it_cannot_be_had(tmp_path, model, monkeypatch):
    def create(**options):
        Index.create(tmp_path / "index", model=str(model), precision="int8", **options)

    with pytest.raises(ModelError, match="int8 runs on the CPU, not on 'cuda'"):
        create(device="cuda")
    with pytest.raises(ModelError, match="int8 runs through OpenVINO, not through torch"):
        create(engine="torch")
    with monkeypatch.context() as patch, pytest.raises(ModelError, match="GPU here is faster"):
        patch.setattr(calibrated, "default_device", lambda: "cuda")
        create()
    monkeypatch.setitem(sys.modules, "retrieval.engines.openvino.engine", None)
    with pytest.raises(ModelError, match="pip install openvino"):
        create()
    assert not (tmp_path / "index").exists()


def test_without_an_index_there_is_no_int8(made, model):
    with pytest.raises(ModelError, match=r"calibrated on your own photos.*make an index with precision int8"):
        Embedder(str(model), precision="int8").embed([np.zeros((40, 40, 3), np.uint8)])
    arguments = ["identify", str(made[1] / "000.jpg"), "--model", str(model), "--precision", "int8"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert "calibrated on your own photos" in done.stderr


def test_precisions_do_not_mix(made):
    with pytest.raises(ModelMismatchError, match="made with precision int8, not bf16"):
        Index.open(made[0], precision="bf16")


@pytest.mark.slow
@pytest.mark.shared
def test_a_real_networks_neighbours_stay(shared, tmp_path):
    """The 20 nearest of 600 photos, most of which were not calibrated on, agree with fp32 to 0.95."""
    weights, photos = shared / "checkpoints" / "vit_t16_imagenet1k.pt", sorted((shared / "birds").rglob("*.jpg"))
    plain = Embedder(str(weights), device="cpu", precision="fp32").embed(photos, top=0)
    with Index.create(tmp_path / "index", model=str(weights), precision="int8", device="cpu") as index:
        index.add(shared / "birds")
        own = index.embedder.embed(photos, top=0)
    vectors = [np.stack([one.vector for one in some]) for some in (plain, own)]
    nearest = [exact.search(some, some, 21)[1].tolist() for some in vectors]
    others = [[[row for row in rows if row != own][:20] for own, rows in enumerate(found)] for found in nearest]
    overlap = np.mean([len({*one} & {*other}) / 20 for one, other in zip(*others, strict=True)])
    right = [np.mean([photos[a].parent == photos[rows[0]].parent for a, rows in enumerate(some)]) for some in others]
    assert overlap >= 0.95
    assert right[1] >= right[0] - 0.01
