import os
from datetime import datetime
from pathlib import Path

import pytest

from retrieval.catalogue.copies import Copy
from retrieval.dedupe.groups import keep_rules
from retrieval.dedupe.groups.files import FindScope, GroupFiles, without_hard_links
from retrieval.manifest import Manifest, Model

MODEL = Model("tiny", "tiny.safetensors", "0" * 64, 32, 32, 32, 5, "fp32")
A, B, C = Path("/a").absolute(), Path("/b").absolute(), Path("/c").absolute()


def copy(relative: str, content: int = 1, root: str = "archive", **facts) -> Copy:
    known = {
        "content": content,
        "root": root,
        "relative": relative,
        "size": 10,
        "mtime_ns": 5,
        "hash": bytes([content]) * 32,
        "row": 0,
        "format": "JPEG",
        "width": 40,
        "height": 30,
        "taken_at": None,
        "latitude": None,
        "longitude": None,
        "camera": None,
        "lens": None,
    }
    return Copy(**{**known, **facts})


def files(root: Path, scope: FindScope | None = None, rules: str = keep_rules.DEFAULT) -> GroupFiles:
    return GroupFiles(Manifest(MODEL, {"archive": root}), scope or FindScope(), keep_rules.parse(rules))


@pytest.mark.parametrize(
    ("scope", "path", "counts"),
    [
        (FindScope(), A / "x.jpg", True),
        (FindScope(within=[A]), A / "x.jpg", True),
        (FindScope(within=[A]), A / "deep" / "x.jpg", True),
        (FindScope(within=[A]), B / "x.jpg", False),
        (FindScope(within=[A]), A.with_name("another") / "x.jpg", False),
        (FindScope(within=[A, B]), B / "x.jpg", True),
        (FindScope(reference=[C]), A / "x.jpg", True),
        (FindScope(within=[A], reference=[C]), C / "x.jpg", True),  # what is in A may be in the reference already
        (FindScope(within=[A], reference=[C]), B / "x.jpg", False),
        (FindScope(across=(A, B)), A / "x.jpg", True),
        (FindScope(across=(A, B)), C / "x.jpg", False),
    ],
)
def test_which_files_count(scope, path, counts):
    assert scope.includes(path) is counts


@pytest.mark.parametrize(
    ("scope", "first", "second", "joins"),
    [
        (FindScope(), A / "x.jpg", B / "y.jpg", True),
        (FindScope(same_folder=True), A / "x.jpg", A / "y.jpg", True),
        (FindScope(same_folder=True), A / "x.jpg", A / "deep" / "y.jpg", False),
        (FindScope(across=(A, B)), A / "x.jpg", B / "deep" / "y.jpg", True),
        (FindScope(across=(A, B)), A / "x.jpg", A / "y.jpg", False),
        (FindScope(across=(A, B)), A / "x.jpg", C / "y.jpg", False),
        (FindScope(across=(A, A / "card")), A / "x.jpg", A / "card" / "y.jpg", True),
        (FindScope(across=(A, A / "card")), A / "card" / "x.jpg", A / "card" / "y.jpg", False),
        (FindScope(across=(A, B), same_folder=True), A / "x.jpg", B / "y.jpg", False),
    ],
)
def test_which_pairs_join(scope, first, second, joins):
    assert scope.allows(first, second) is joins
    assert scope.allows(second, first) is joins


@pytest.mark.parametrize(
    ("scope", "path", "protected"),
    [
        (FindScope(reference=[A]), A / "deep" / "x.jpg", True),
        (FindScope(reference=[A]), B / "x.jpg", False),
        (FindScope(across=(A, B)), A / "x.jpg", False),
        (FindScope(across=(A, B)), B / "deep" / "x.jpg", True),
        (FindScope(across=(A, B), both_ways=True), B / "x.jpg", False),
        (FindScope(across=(A, B), both_ways=True, reference=[A]), A / "x.jpg", True),
        (FindScope(across=(A / "card", A)), A / "card" / "x.jpg", False),
        (FindScope(across=(A / "card", A)), A / "x.jpg", True),
        (FindScope(across=(A, A / "card")), A / "card" / "x.jpg", True),
        (FindScope(across=(A, A / "card")), A / "x.jpg", False),
    ],
)
def test_which_files_are_kept_whatever_the_rules_say(scope, path, protected):
    assert scope.protects(path) is protected


def test_nodes_are_what_the_catalogue_and_the_folder_know(tmp_path):
    for name in ("IMG_1.jpg", "IMG_1.xmp", "IMG_1.jpg.pp3", "IMG_2.jpg"):
        (tmp_path / name).write_bytes(b"x")
    facts = {"taken_at": datetime(2024, 5, 1, 12), "latitude": 0.0, "longitude": 0.0, "camera": "One", "lens": "50mm"}
    [node] = files(tmp_path).from_copies([copy("IMG_1.jpg", **facts)])
    assert node.path == node.file.path == tmp_path / "IMG_1.jpg"
    assert (node.file.size, node.file.mtime_ns, node.file.sha256) == (10, 5, "01" * 32)
    assert (node.file.format, node.file.width, node.file.height) == ("JPEG", 40, 30)
    assert node.file.taken_at == "2024-05-01T12:00:00"
    assert node.candidate.has_place  # where the equator meets Greenwich, too
    assert (node.candidate.camera, node.candidate.lens, node.candidate.sidecars) == ("One", "50mm", 2)
    assert not node.file.protected


def test_nodes_come_in_the_order_of_the_rules(tmp_path):
    copies = [copy("small.jpg", 1, width=4), copy("large.jpg", 2, width=400), copy("middle.jpg", 3, width=50)]
    found = files(tmp_path).from_copies(copies)
    assert [node.path.name for node in found] == ["large.jpg", "middle.jpg", "small.jpg"]
    by_name = files(tmp_path, rules="shortest-name").from_copies(reversed(copies))
    assert [node.path.name for node in by_name] == ["large.jpg", "small.jpg", "middle.jpg"]


def test_a_twin_is_no_sidecar(tmp_path):
    for name in ("IMG_1.jpg", "IMG_1.cr2", "IMG_1.xmp"):
        (tmp_path / name).write_bytes(b"x")
    [node] = files(tmp_path).from_copies([copy("IMG_1.jpg")])
    assert node.candidate.sidecars == 1


def test_files_out_of_scope_are_no_nodes_and_references_come_first(tmp_path):
    scope = FindScope(within=[tmp_path / "card"], reference=[tmp_path / "safe"])
    copies = [copy("card/large.jpg", width=400), copy("safe/small.jpg", width=4), copy("elsewhere/x.jpg")]
    found = files(tmp_path, scope).from_copies(copies)
    assert [node.path.relative_to(tmp_path).as_posix() for node in found] == ["safe/small.jpg", "card/large.jpg"]
    assert [node.file.protected for node in found] == [True, False]


def test_a_node_is_made_once(tmp_path):
    made = files(tmp_path)
    assert made.from_copies([copy("a.jpg")])[0] is made.from_copies([copy("a.jpg")])[0]
    assert made.from_copies([]) == []


def test_folders_that_are_gone_have_no_sidecars(tmp_path):
    made = files(tmp_path / "unmounted")
    [node] = made.from_copies([copy("deep/IMG_1.jpg")])
    assert node.candidate.sidecars == 0
    assert made.rest_of_shot(node.path) == ()


def test_distinct_leaves_out_other_names_of_one_file(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "copy.jpg").write_bytes(b"x")
    os.link(tmp_path / "a.jpg", tmp_path / "linked.jpg")
    made = files(tmp_path)
    nodes = made.from_copies(
        [copy("a.jpg"), copy("linked.jpg"), copy("copy.jpg"), copy("gone.jpg"), copy("gone too.jpg")]
    )
    kept = without_hard_links(nodes)
    names = [node.path.name for node in kept]
    assert len(kept) == 4
    assert {"copy.jpg", "gone.jpg", "gone too.jpg"} < set(names)
    assert names == [node.path.name for node in nodes if node.path.name in names]  # in their order
