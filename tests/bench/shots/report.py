"""What a run prints and writes: a table by category and size, every judgement as a row, wrong pairs as pictures."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFile

from shots.detector import Judgement
from shots.expectations import Outcome

HEIGHT = 420  # pixels of a picture beside others
CLOSE = 0.12  # of the longer side on each side of the place where they differ


def print_table(judgements: Iterable[Judgement]) -> None:
    counts: dict[tuple[str, str], Counter[Outcome]] = {}
    for one in judgements:
        counts.setdefault((one.category, one.size), Counter())[one.outcome] += 1
    print(f"{'category':34} {'size':>14} {'pairs':>6} {'wrong removals':>14} {'right':>6} {'missed':>6}")
    for (category, size), found in counts.items():
        _print_row(category, size, found)
    _print_row("all", "", sum(counts.values(), Counter()))


def _print_row(category: str, size: str, found: Counter[Outcome]) -> None:
    shares = f"{found[Outcome.WRONG] or '':>14} {found[Outcome.RIGHT]:6} {found[Outcome.MISSED] or '':>6}"
    print(f"{category:34} {size:>14} {found.total():6} {shares}")


def write_rows(judgements: Iterable[Judgement], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("category", "size", "first", "second", "outcome", "kind", "reason", "EXIF"))
        for one in judgements:
            words = (one.first, one.second, str(one.outcome), one.kind, one.reason, one.told)
            rows.writerow((one.category, one.size, *words))


def write_looks(judgements: Iterable[Judgement], archive: Path, folder: Path, outcomes: Iterable[Outcome]) -> int:
    """Write each pair with one of these outcomes side by side; where they differ follows from near."""
    folder.mkdir(parents=True, exist_ok=True)
    for outcome in Outcome:
        for old in folder.glob(f"{outcome}-[0-9][0-9][0-9][0-9].png"):
            old.unlink()
    wanted, count = set(outcomes), 0
    for one in judgements:
        if one.outcome in wanted:
            side_by_side(one, archive).save(folder / f"{one.outcome}-{count:04}.png")
            count += 1
    return count


def side_by_side(one: Judgement, archive: Path) -> Image.Image:
    pictures = [_opened(archive / name) for name in (one.first, one.second)]
    shown = [_high(picture) for picture in pictures]
    if one.place:
        shown += [_high(_part(picture, one.place)) for picture in pictures]
    if pictures[0].size == pictures[1].size:
        difference = np.asarray(ImageChops.difference(*pictures).resize(shown[0].size), np.float32)
        shown.append(Image.fromarray(np.clip(4 * difference, 0, 255).astype(np.uint8)))
    sheet = Image.new("RGB", (sum(picture.width for picture in shown), HEIGHT + 44), "white")
    left = 0
    for picture in shown:
        sheet.paste(picture, (left, 0))
        left += picture.width
    pen = ImageDraw.Draw(sheet)
    pen.text((4, HEIGHT), f"{one.outcome}: {one.category} {one.size}, {one.told}: {one.kind} {one.reason}", "black")
    pen.text((4, HEIGHT + 20), f"{one.first} | {one.second}", "black")
    return sheet


def _opened(path: Path) -> Image.Image:
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # damaged files are shown as far as they go
    return Image.open(path).convert("RGB")


def _high(picture: Image.Image) -> Image.Image:
    return picture.resize((max(1, picture.width * HEIGHT // picture.height), HEIGHT))


def _part(picture: Image.Image, place: tuple[float, float]) -> Image.Image:
    reach = CLOSE * max(picture.size)
    x, y = place[0] * picture.width, place[1] * picture.height
    return picture.crop(tuple(round(value) for value in (x - reach, y - reach, x + reach, y + reach)))
