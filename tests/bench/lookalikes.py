"""What `retrieval dedupe` would remove among photos that look alike and are not, and among versions of one photo.

    python tests/bench/lookalikes.py FOLDER... [--subjects FOLDER | --cutouts FOLDER] [--quick] [--work DIR]
    python tests/bench/lookalikes.py FOLDER... --model FILE --work DIR

From any photos as backgrounds, and from subjects cut out of other photos, it makes sets of files by seed: shots from a
tripod that differ in one thing, and one shot in two files. The first asks the pair test about each pair by itself; with
--model, the whole archive is indexed and every removal in the plan is judged. It prints wrong and right removals by
category and size. Without --subjects and --cutouts the subjects are drawn shapes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from shots import archive, containers, cutouts, detector, frames, marks, objects, report, saves, scenes, subjects, tones
from shots.cutouts import Cutout
from shots.expectations import Outcome
from shots.recipe import Recipe
from shots.studio import Studio

from retrieval.archive.walk import Walk

COUNT, QUICK_COUNT = 16, 2  # sets of every category and size
SIDES = (*[1200] * 8, *[1600] * 5, *[2000] * 3, *[2600] * 2, 3200, 4000)  # pixels of the longer side, drawn from
QUICK_SIDES = (1200,)
CUT, QUICK_CUT = 160, 40  # photos that subjects are looked for in


def main() -> None:
    arguments = _arguments()
    cv2.setNumThreads(1)
    if arguments.work is None:
        with tempfile.TemporaryDirectory() as scratch:
            run(arguments, Path(scratch).resolve())
    else:
        arguments.work.mkdir(parents=True, exist_ok=True)
        run(arguments, arguments.work.resolve())


def run(arguments: argparse.Namespace, work: Path) -> None:
    begun = time.perf_counter()
    backgrounds = [folder / seen.relative for folder in arguments.folders for seen in Walk(folder, folder)]
    sides = arguments.sides or (QUICK_SIDES if arguments.quick else SIDES)
    studio = Studio(backgrounds, subjects_to_place(arguments, work), sides)
    count = arguments.count or (QUICK_COUNT if arguments.quick else COUNT)
    jobs = archive.jobs(chosen(arguments.only), count)
    sets = list(progress(archive.make(jobs, studio, arguments.seed, work), len(jobs), "made"))
    made_s = time.perf_counter() - begun
    folder = work / "archive"
    if arguments.model:
        judgements = detector.whole_archive(sets, folder, work / "index", arguments.model)
    else:
        found = (list(detector.each_pair(one, folder)) for one in sets)
        judgements = [one for some in progress(found, len(sets), "compared") for one in some]
    report.print_table(judgements)
    report.write_rows(judgements, work / "judgements.csv")
    judged_s = time.perf_counter() - begun - made_s
    print(f"{len(sets)} sets made in {made_s:.0f} s, {len(judgements)} pairs judged in {judged_s:.0f} s")
    if arguments.looks:
        outcomes = (Outcome.WRONG, Outcome.MISSED) if arguments.missed else (Outcome.WRONG,)
        print(f"{report.write_looks(judgements, folder, arguments.looks, outcomes)} pairs in {arguments.looks}")


def progress(items: Iterator, total: int, verb: str) -> Iterator:
    for number, item in enumerate(items, start=1):
        if sys.stderr.isatty() and number % 10 == 0:
            print(f"\r{verb} {number} of {total}", end="", file=sys.stderr)
        yield item
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def chosen(only: str | None) -> list[Recipe]:
    """The recipes of all categories, or of those with one of some words in their name."""
    books = (subjects, scenes, objects, saves, frames, tones, marks, containers)
    recipes = [recipe for book in books for recipe in book.COOKBOOK.recipes]
    words = only.split(",") if only else [""]
    found = [recipe for recipe in recipes if any(word in recipe.category for word in words)]
    if not found:
        raise SystemExit(f"no category has {only} in its name: {', '.join(recipe.category for recipe in recipes)}")
    return found


def subjects_to_place(arguments: argparse.Namespace, work: Path) -> list[Cutout]:
    if arguments.cutouts:
        return cutouts.from_folder(arguments.cutouts)
    draw = np.random.default_rng(arguments.seed)
    if not arguments.subjects:
        return cutouts.drawn(draw)
    tried = QUICK_CUT if arguments.quick else CUT
    kept = work / f"cutouts-{tried}"
    if not (kept / "done").exists():
        kept.mkdir(exist_ok=True)
        photos = sorted(seen.relative for seen in Walk(arguments.subjects, arguments.subjects))
        for number in sorted(draw.permutation(len(photos))[:tried]):
            found = cutouts.cut(Image.open(arguments.subjects / photos[number]))
            if found is not None:
                Image.fromarray(found).save(kept / f"{number:05}.png")
        (kept / "done").touch()
    return cutouts.from_folder(kept)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="photos for backgrounds")
    parser.add_argument("--subjects", type=Path, metavar="FOLDER", help="photos to cut subjects out of")
    parser.add_argument("--cutouts", type=Path, metavar="FOLDER", help="PNG files with alpha to place as they are")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_COUNT} sets of each kind, 1200 pixels")
    parser.add_argument("--count", type=int, help=f"sets of each category and size, {COUNT} by default")
    parser.add_argument("--sides", type=numbers, metavar="N,...", help="pixels of the longer side, to draw from")
    parser.add_argument("--only", metavar="WORD,...", help="only categories with one of these words in their name")
    parser.add_argument("--model", help="index the whole archive with this model and judge the plan")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep everything there, to go on from")
    parser.add_argument("--looks", type=Path, metavar="DIR", help="write wrong pairs there as pictures")
    parser.add_argument("--missed", action="store_true", help="with --looks: missed pairs as well")
    return parser.parse_args()


if __name__ == "__main__":
    main()
