"""How well and how fast `retrieval dedupe find` finds edited copies, beside perceptual hashes and plain cosine.

    python tests/bench/duplicates.py FOLDER --model FILE [--rival-python PYTHON] [--looks DIR]
    python tests/bench/duplicates.py FOLDER --model FILE --bursts
    python tests/bench/duplicates.py FOLDER --model FILE --scale 2500,5000,10000

From a folder of photos, in folders by species or not, the first makes an archive: originals with 1 to 4 edited copies
each, among other photos of the same folders. Every pair of files from one original is a true pair, and a pair is
found if one group of duplicates has both. The second dresses different photos of a species as bursts, ten photos with
a second between them: none may be called a duplicate. The third measures time and memory on archives of many
pictures. PYTHON is an interpreter that has imagededup, whose hashes are measured if it is given.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import finder
import numpy as np
import rivals
import trial as trials
from copies import NAMES
from crowd import EVERY, Crowd
from finder import REMOVABLE, Found
from PIL import Image, ImageDraw
from trial import Pair, Score, Trial

LOOK_HEIGHT = 400
MORE = 0.01  # share of photos added before the last `find` of a scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--originals", type=int, default=250)
    parser.add_argument("--distractors", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--known-pairs", type=Path, metavar="CSV", help="photos that the folder has twice, two a row")
    parser.add_argument("--rival-python", help="an interpreter with imagededup")
    parser.add_argument("--looks", type=Path, metavar="DIR", help="write false and missed pairs there as pictures")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep archive and index there, to go on from")
    parser.add_argument("--bursts", action="store_true")
    parser.add_argument("--scale", type=lambda text: sorted(map(int, text.split(","))), metavar="COUNT,...")
    arguments = parser.parse_args()
    arguments.model = str(Path(arguments.model).resolve()) if Path(arguments.model).is_file() else arguments.model
    mode = scale if arguments.scale else shot_in_bursts if arguments.bursts else edited
    with workplace(arguments.work) as work:
        mode(arguments, work)


@contextmanager
def workplace(chosen: Path | None) -> Iterator[Path]:
    """The chosen folder without an earlier archive, or one that vanishes afterwards."""
    if chosen is None:
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch).resolve()
        return
    work = chosen.resolve()
    if (work / "archive").exists():
        if not (work / "truth.csv").exists():
            raise SystemExit(f"{work / 'archive'} was not made by this benchmark: choose another folder with --work")
        shutil.rmtree(work / "archive")
    work.mkdir(parents=True, exist_ok=True)
    (work / "truth.csv").touch()
    yield work


def edited(arguments: argparse.Namespace, work: Path) -> None:
    trial = make_edited(arguments, work)
    finder.index(trial.folder, work / "index", arguments.model)
    found = finder.find(trial.folder, finder.fresh(work / "index"))
    pairs = found.pairs(*REMOVABLE)
    print_table(arguments, work, trial, trial.score(pairs))
    print_cost(found, len(trial.family))
    print_edits(trial, pairs)
    print_wrong(trial, pairs)
    if arguments.looks:
        write_looks(trial, pairs, arguments.looks)


def make_edited(arguments: argparse.Namespace, work: Path) -> Trial:
    names = trials.sources(arguments.folder)
    wanted = arguments.originals + arguments.distractors
    originals = min(arguments.originals, round(len(names) * arguments.originals / wanted))
    if len(names) < wanted:
        print(f"{len(names)} photos are fewer than {wanted}: originals and distractors are scaled down alike")
    chosen = [names[place] for place in np.random.default_rng(arguments.seed).permutation(len(names))[:wanted]]
    trial = Trial(work / "archive", trials.known_pairs(arguments.folder, chosen, arguments.known_pairs))
    trials.edited_archive(arguments.folder, chosen, originals, trial, arguments.seed)
    trial.write_truth(work / "truth.csv")
    made = trial.copies()
    chains = sum(len(trial.edits[copy]) > 1 for copy in made)
    print(
        f"{originals} originals, {len(chosen) - originals} distractors, {len(made)} edited copies, {chains} of them "
        f"({chains / len(made):.0%}) by two edits; {len(trial.pairs())} true pairs, {len(trial.known)} known ones apart"
    )
    return trial


def print_table(arguments: argparse.Namespace, work: Path, trial: Trial, ours: Score) -> None:
    print(f"{'':28} {'at':>9} {'precision':>9} {'recall':>7} {'F1':>7} {'right':>6} {'false':>6} {'missed':>6}")
    print_score("retrieval dedupe find", "", ours)
    cosines = list(rivals.cosines(work / "index", trial))
    hashes = list(rivals.hashes(arguments.rival_python, trial, work)) if arguments.rival_python else []
    for rival in (*cosines, *hashes):
        threshold, score = rivals.best(rival, trial)
        print_score(rival.name, f"{threshold:.4g}", score)
    if not hashes:
        print("imagededup PHash and DHash: not measured; give --rival-python")
    print(f"the {rivals.NEIGHBOURS} nearest by cosine hold {rivals.held(cosines[-1], trial):.4f} of the true pairs")


def print_score(name: str, at: str, score: Score) -> None:
    shares = f"{score.precision:9.4f} {score.recall:7.4f} {score.f1:7.4f}"
    print(f"{name:28} {at:>9} {shares} {score.right:6} {score.false:6} {score.missed:6}", flush=True)


def print_cost(found: Found, photos: int) -> None:
    cost = found.cost
    print(
        f"find: {cost.wall_s:.1f} s ({1000 * cost.wall_s / photos:.1f} ms a photo), {cost.cpu_s:.1f} s of CPU, "
        f"{cost.peak_mb:,.0f} MB at most",
        flush=True,
    )


def print_edits(trial: Trial, pairs: set[Pair]) -> None:
    """Copies found with their original, by edit; a chain of two edits counts at both."""
    print(f"{'found with the original':>23}   alone    in chains")
    beside = trial.original_pairs()
    for name in NAMES:
        alone, chained = (
            [pair in pairs for pair, edits in beside.items() if name in edits and len(edits) == length]
            for length in (1, 2)
        )
        print(f"{name:>23} {sum(alone):4}/{len(alone):<4} {sum(chained):6}/{len(chained)}")
    grouped = {file for pair in pairs & trial.pairs() for file in pair}
    made = trial.copies()
    print(f"copies grouped with any file of their family: {sum(copy in grouped for copy in made)} of {len(made)}")


def print_wrong(trial: Trial, pairs: set[Pair]) -> None:
    false = trial.false(pairs)
    together = sum(Path(trial.family[a]).parent == Path(trial.family[b]).parent for a, b in false)
    print(f"false pairs: {len(false)}, of them {together} of different photos of one folder")
    for a, b in false:
        print(f"  {a} {described(trial, a)} | {b} {described(trial, b)}")
    missed = missed_originals(trial, pairs)
    print(f"originals missed by their copies: {len(missed)}")
    for a, b in missed:
        print(f"  {a} {described(trial, a)} | {b} {described(trial, b)}")


def missed_originals(trial: Trial, pairs: set[Pair]) -> list[Pair]:
    return sorted(trial.original_pairs().keys() - pairs)


def described(trial: Trial, file: str) -> str:
    return f"({' + '.join(trial.edits[file]) or 'untouched'})"


def write_looks(trial: Trial, pairs: set[Pair], folder: Path) -> None:
    """Each false and each missed pair side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    for label, some in (("false", trial.false(pairs)), ("missed", missed_originals(trial, pairs))):
        for old in folder.glob(f"{label}-[0-9][0-9][0-9][0-9].png"):
            old.unlink()
        for number, pair in enumerate(some):
            preview = side_by_side([(trial.folder / file, f"{file} {described(trial, file)}") for file in pair])
            preview.save(folder / f"{label}-{number:04}.png")


def side_by_side(shown: list[tuple[Path, str]]) -> Image.Image:
    photos = [trials.opened(path) for path, _ in shown]
    photos = [photo.resize((max(1, photo.width * LOOK_HEIGHT // photo.height), LOOK_HEIGHT)) for photo in photos]
    preview = Image.new("RGB", (sum(photo.width for photo in photos), LOOK_HEIGHT + 20 * len(shown)), "white")
    left = 0
    for line, (photo, (_, words)) in enumerate(zip(photos, shown, strict=True)):
        preview.paste(photo, (left, 0))
        ImageDraw.Draw(preview).text((4, LOOK_HEIGHT + 20 * line), words, "black", font_size=14)
        left += photo.width
    return preview


def shot_in_bursts(arguments: argparse.Namespace, work: Path) -> None:
    names = trials.sources(arguments.folder)
    trial = Trial(work / "archive", trials.known_pairs(arguments.folder, names, arguments.known_pairs))
    made = list(trials.bursts(arguments.folder, trial))
    trial.write_truth(work / "truth.csv")
    finder.index(trial.folder, work / "index", arguments.model)
    found = finder.find(trial.folder, finder.fresh(work / "index"))
    of_one_burst = {trials.ordered(a, b) for burst in made for a in burst for b in burst if a != b}
    counted = {pair for pair in of_one_burst if trial.counts(pair)}
    false = trial.false(found.pairs(*REMOVABLE))
    in_bursts = found.pairs("burst") & counted
    print(f"{len(made)} bursts, {len(trial.family)} photos, {len(counted)} pairs of one burst:")
    print(f"  {len(in_bursts)} called a burst, {len(set(false) & counted)} called duplicates (must be 0)")
    print_cost(found, len(trial.family))
    print_wrong(trial, found.pairs(*REMOVABLE))
    if arguments.looks:
        write_looks(trial, found.pairs(*REMOVABLE), arguments.looks)


def scale(arguments: argparse.Namespace, work: Path) -> None:
    trial = Trial(work / "archive")
    crowd = Crowd(arguments.folder, trial, round(max(arguments.scale) * (1 + MORE)) + EVERY, arguments.seed)
    for count in arguments.scale:
        crowd.grow(count)
        trial.write_truth(work / "truth.csv")
        finder.index(trial.folder, work / "index", arguments.model)
        index = finder.fresh(work / "index")
        first = finder.find(trial.folder, index)
        print(f"--- {len(trial.family):,} pictures, {len(trial.copies()):,} of them edited copies")
        print(f"{len(trial.pairs())} true pairs, by `find`:")
        print_score("retrieval dedupe find", "", trial.score(first.pairs(*REMOVABLE)))
        print_cost(first, count)
        print("once more:")
        print_cost(finder.find(trial.folder, index), count)
        crowd.grow(round(count * (1 + MORE)))
        finder.index(trial.folder, index, arguments.model)
        print(f"with {MORE:.0%} more pictures:")
        print_cost(finder.find(trial.folder, index), len(trial.family))
    print(
        f"different pictures: thumbnails correlate by {crowd.highest:.2f} at most in any of eight ways to lie; "
        f"{crowd.redrawn} were drawn again"
    )


if __name__ == "__main__":
    main()
