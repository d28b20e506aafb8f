"""The page that shows a plan: whole, harmless, and complete without network or script."""

import base64
import hashlib
import io
import os
import re
import tracemalloc
from dataclasses import replace
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from photos import scene
from plans import PLANS

from retrieval.dedupe.plan.records import Action, Group, Kind, Member, Plan, PlannedFile
from retrieval.errors import PhotoError, PlanError
from retrieval.present import page

FOLDER = Path("/photos").absolute()
EMPTY = {"meta", "input", "img", "wbr"}  # elements without an end


class Page(HTMLParser):
    """What a browser would make of it: balanced elements, text by element, attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)

    def all(self, tag, **attributes):
        wanted = {("class" if name == "class_" else name): value for name, value in attributes.items()}
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]


def jpeg(path):
    buffer = io.BytesIO()
    scene(len(path.name)).save(buffer, "jpeg")
    return buffer.getvalue()


def file(name, **facts):
    return PlannedFile(FOLDER / name, 8_100_000, 0, "0" * 64, "JPEG", 6000, 4000, "2019-05-04T10:11:12", **facts)


def group(number, kind=Kind.NEAR, score=0.9, members=1):
    made = (
        Member(file(f"{number}-{place}.jpg"), Action.REMOVE, "crop 12 %", 0.97, score, (FOLDER / "x.xmp",))
        for place in range(members)
    )
    return Group(number, kind, file(f"{number}.cr2"), "more pixels", tuple(made))


def plan(*groups):
    return Plan("2025-11-23T11:00:00+00:00", FOLDER / "index", "flagship", groups)


def rendered(made, thumbnails=jpeg, **options):
    return "".join(page.chunks(made, thumbnails, **options))


def test_everything_a_person_wants_to_know_is_there():
    made = Page(rendered(plan(group(1))))
    for words in (
        *("1 file to remove, 8.1 MB to free", "2025-11-23 11:00", "1.cr2", "1-0.jpg", str(FOLDER), "6000 × 4000"),
        *("8.1 MB", "2019-05-04 10:11:12", "more pixels", "crop 12 %", "cosine 0.970", "score 0.900", "x.xmp"),
    ):
        assert words in made.text
    assert len(made.all("figure", class_="keeper")) == len(made.all("figure", class_="member")) == 1


def test_pictures_are_inside_the_page_and_load_when_they_are_seen():
    made = Page(rendered(plan(group(1))))
    sources = [image["src"] for image in made.all("img", loading="lazy")]
    expected = [jpeg(FOLDER / name) for name in ("1.cr2", "1-0.jpg")]
    assert [base64.b64decode(source.removeprefix("data:image/jpeg;base64,")) for source in sources] == expected


def test_where_there_is_no_picture_the_reason_stands():
    def thumbnails(path):
        if path.suffix == ".cr2":
            raise PhotoError("damaged", "the <decoder> gave up")

    made = Page(rendered(plan(group(1)), thumbnails))
    assert not made.all("img")
    assert len(made.all("span", class_="none")) == 2
    assert "the <decoder> gave up" in made.text
    assert "no preview" in made.text


@given(PLANS)
def test_names_do_no_harm(made):
    text = rendered(made, lambda path: None)
    text.encode("utf-8")
    read = Page(text)
    assert [tag for tag, _ in read.elements if tag in ("script", "style")] == ["style", "script"]
    assert not any(name.startswith("on") for _, attributes in read.elements for name in attributes)
    assert len(read.all("figure")) == sum(1 + len(one.members) for one in made.groups)
    allowed = {*"\n", *(char for char in read.text if char.isprintable())}
    assert set(read.text) <= allowed


def test_an_attack_by_name_stays_text(tmp_path):
    names = ['<script>alert("1")</script>', "\"><img src=x onerror='alert(1)'>", "&lt;b&gt;", "a\u202egpj.exe"]
    members = tuple(Member(file(name.replace("/", "\u2044")), Action.REMOVE, name) for name in names)
    made = Page(rendered(plan(replace(group(1), why=names[0], members=members))))
    assert len(made.all("script")) == 1
    assert len(made.all("img")) == 5
    assert all(image["src"].startswith("data:") for image in made.all("img"))
    assert names[2] in made.text
    assert r"a\u202egpj.exe" in made.text


def test_nothing_is_fetched_and_only_its_own_script_runs():
    text = rendered(plan(group(1)))
    made = Page(text)
    (policy,) = made.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        (body,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy["content"]
    assert not re.search(r"https?:|//[a-z]", text.replace("file:///", ""))
    assert not any("style" in attributes for _, attributes in made.elements)


def test_links_open_the_files_themselves():
    odd = file(os.fsdecode(b"K\xc3\xbche #1?.jpg"))
    made = Page(rendered(plan(replace(group(1), keeper=odd))))
    assert made.all("a", target="_blank")[0]["href"] == (FOLDER / "Kühe #1?.jpg").as_uri()


def test_kinds_are_sections_and_what_needs_an_eye_comes_first():
    made = plan(group(1, Kind.EXACT), group(2, Kind.BURST), group(3, score=0.99), group(4, score=0.8))
    read = Page(rendered(made))
    assert [section["id"] for section in read.all("section")] == ["near", "exact", "burst"]
    assert re.findall(r"Group (\d)", read.text) == ["4", "3", "1", "2"]


def altered(*, keeper=(), member=(), **facts):
    """A group outside the plan, of two pictures that differ."""
    kept = Member(file("w.jpg", **facts), Action.KEEP, "differs at 61 %, 40 %: 3 % of the frame", would_lose="a <mark>")
    kept = replace(kept, places=member, keeper_places=keeper)
    return Group(1, Kind.ALTERED, file("o.jpg"), "nothing is removed", (kept,))


def test_groups_outside_the_plan_are_shown_if_their_pictures_differ():
    apart = [altered(), *(replace(altered(), kind=kind) for kind in Kind if kind != Kind.ALTERED)]
    read = Page(rendered(plan(group(7)), apart=apart))
    assert [section["id"] for section in read.all("section")] == ["near", "altered", "overlap", "same-scene"]
    assert "Group 7" in read.text
    assert read.text.count("Not in the plan") == 3
    assert "1 file to remove, 8.1 MB to free" in read.text
    for words in ("differs at 61 %, 40 %: 3 % of the frame", "would lose: a <mark>"):
        assert words in read.text
    limited = Page(rendered(plan(), apart=apart * 2, limit=3)).text
    assert ("1 group more" in limited, "2 groups more" in limited) == (True, True)
    assert "No duplicates found" in Page(rendered(plan(), apart=apart)).text


def test_what_differs_is_drawn_over_the_picture_in_its_own_proportions():
    boxes = ((610, 400, 30, 40), (0, 0, 0, 1000), (610, 400, 30, 40))
    read = Page(rendered(plan(), apart=[altered(keeper=boxes[:1], member=boxes)]))
    assert [drawn["viewbox"] for drawn in read.all("svg", class_="places")] == ["0 0 6000 4000"] * 2
    found = [tuple(int(box[side]) for side in ("x", "y", "width", "height")) for _, box in read.elements if _ == "rect"]
    assert found == [(3660, 1600, 180, 160), (3660, 1600, 180, 160), (0, 0, 1, 4000)]
    tags = [tag for tag, _ in read.elements]
    assert tags[tags.index("svg") - 2 :][:3] == ["a", "img", "svg"]


def test_where_the_size_of_a_picture_is_unknown_nothing_is_drawn():
    unknown = altered(member=((610, 400, 30, 40),))
    member = replace(unknown.members[0], file=replace(unknown.members[0].file, width=None))
    assert not Page(rendered(plan(), apart=[replace(unknown, members=(member,))])).all("svg")


def test_a_limit_says_how_many_more_there_are():
    made = plan(group(1, Kind.EXACT), *(group(number) for number in range(2, 7)))
    text = Page(rendered(made, limit=3)).text
    assert len(re.findall(r"Group \d", text)) == 3
    assert "2 groups more" in text
    assert "1 group more" in text
    assert "more:" not in Page(rendered(made, limit=6)).text


def test_bursts_are_not_counted_as_duplicates():
    text = Page(rendered(plan(group(1), group(2, Kind.BURST)))).text
    assert "1 file to remove" in text


def test_marks_tell_what_becomes_of_a_file():
    keeper, member = file("a.jpg", protected=True), group(1).members[0]
    unproven = replace(member, reason="", cosine=None, score=0.0, file=file("u.jpg"))
    kept = replace(member, action=Action.KEEP, file=file("k.jpg"))
    text = Page(rendered(plan(Group(1, Kind.NEAR, keeper, "in a reference folder", (member, unproven, kept))))).text
    for words in ("Stays, in a reference folder", "To remove", "Kept", "not compared with this keeper yet"):
        assert words in text


def test_no_duplicates():
    made = Page(rendered(plan()))
    assert "No duplicates found" in made.text
    assert not made.all("section")


def test_memory_does_not_grow_with_the_plan():
    thumbnail = b"\xff" * 20_000
    peaks = []
    for groups in (20, 400):
        made = plan(*(group(number) for number in range(1, groups + 1)))
        tracemalloc.start()
        total = sum(len(chunk) for chunk in page.chunks(made, lambda path: bytes(thumbnail)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert total > groups * 2 * 26_000
    assert peaks[1] < peaks[0] + 200_000


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    def thumbnails(path):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        page.write_page(plan(group(1)), tmp_path / "plan.html", thumbnails)
    assert list(tmp_path.iterdir()) == []
    page.write_page(plan(group(1)), tmp_path / "plan.html", jpeg)
    assert (tmp_path / "plan.html").read_text(encoding="utf-8") == rendered(plan(group(1)))


def test_a_file_that_is_there_is_kept(tmp_path):
    page.write_page(plan(group(1)), tmp_path / "plan.html", jpeg)
    before = (tmp_path / "plan.html").read_bytes()
    with pytest.raises(PlanError, match="exists"):
        page.write_page(plan(), tmp_path / "plan.html", jpeg)
    assert (tmp_path / "plan.html").read_bytes() == before
    page.write_page(plan(), tmp_path / "plan.html", jpeg, overwrite=True)
    assert (tmp_path / "plan.html").read_bytes() != before


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(PlanError, match=r"\.html"):
        page.write_page(plan(), tmp_path / "photo.jpg", jpeg)
    with pytest.raises(PlanError, match="cannot be written"):
        page.write_page(plan(), tmp_path / "missing" / "plan.html", jpeg)


def test_all_kinds_have_a_section():
    made = plan(*(group(number, kind) for number, kind in enumerate(Kind, start=1)))
    ids = [section["id"] for section in Page(rendered(made)).all("section")]
    boxes = [box["value"] for box in Page(rendered(made)).all("input", type="checkbox")]
    assert sorted(ids) == sorted(boxes) == sorted(kind.value.replace("+", "-") for kind in Kind)
    assert not list(chain.from_iterable(re.findall(r"[+ ]", one) for one in ids))
