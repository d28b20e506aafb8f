"""Two shots from a tripod that differ in their subject: gone, moved, replaced, mirrored, joined, posed otherwise."""

from shots.camera import Draw
from shots.placing import bent, elsewhere, mirrored, placed, somewhere
from shots.recipe import Cookbook, share
from shots.studio import Made, Studio

SHARES = ("2 %", "3 %", "5 %", "8 %", "16 %", "30 %")
MOST_IN_FLOCK = 24
COVERED = 0.25  # of the frame's area by a flock, at most

COOKBOOK = Cookbook()


@COOKBOOK.add("subject gone", *SHARES)
def gone(studio: Studio, size: str, draw: Draw) -> Made:
    scene, place = studio.scene(draw), somewhere(draw)
    return studio.shots([placed(scene, studio.cutout(draw), place, share(size)), scene], draw, place)


@COOKBOOK.add("subject moved", *SHARES)
def moved(studio: Studio, size: str, draw: Draw) -> Made:
    """Half of them far, half of them by little more than the subject's size."""
    scene, cutout, place = studio.scene(draw), studio.cutout(draw), somewhere(draw)
    step = 1.2 * share(size)
    near = place[0] + (step if place[0] < 0.5 else -step), place[1]
    other = near if draw.integers(2) else elsewhere(draw, place, min(step, 0.3))
    return studio.shots([placed(scene, cutout, there, share(size)) for there in (place, other)], draw, place)


@COOKBOOK.add("subject replaced", *SHARES)
def replaced(studio: Studio, size: str, draw: Draw) -> Made:
    scene, place = studio.scene(draw), somewhere(draw)
    first, second = studio.two_cutouts(draw)
    return studio.shots([placed(scene, one, place, share(size)) for one in (first, second)], draw, place)


@COOKBOOK.add("subject mirrored", *SHARES)
def turned(studio: Studio, size: str, draw: Draw) -> Made:
    scene, cutout, place = studio.scene(draw), studio.cutout(draw), somewhere(draw)
    return studio.shots([placed(scene, one, place, share(size)) for one in (cutout, mirrored(cutout))], draw, place)


@COOKBOOK.add("second subject came", *SHARES)
def joined(studio: Studio, size: str, draw: Draw) -> Made:
    first, second = studio.two_cutouts(draw)
    place = somewhere(draw)
    one = placed(studio.scene(draw), first, place, share(size))
    other = elsewhere(draw, place, min(1.1 * share(size), 0.35))
    return studio.shots([one, placed(one, second, other, share(size))], draw, other)


@COOKBOOK.add("subject in another pose", *SHARES)
def posed(studio: Studio, size: str, draw: Draw) -> Made:
    scene, cutout, place = studio.scene(draw), studio.cutout(draw), somewhere(draw)
    return studio.shots([placed(scene, one, place, share(size)) for one in (cutout, bent(cutout, draw))], draw, place)


@COOKBOOK.add("camouflaged subject gone", *SHARES)
def camouflaged(studio: Studio, size: str, draw: Draw) -> Made:
    scene, place = studio.scene(draw), somewhere(draw)
    return studio.shots([placed(scene, studio.cutout(draw), place, share(size), 0.85), scene], draw, place)


@COOKBOOK.add("one of a flock differs", *SHARES)
def flock(studio: Studio, size: str, draw: Draw) -> Made:
    """One is gone, mirrored, or another, while all others stay."""
    count = min(MOST_IN_FLOCK, max(2, round(COVERED / share(size) ** 2)))
    scene = studio.scene(draw)
    for _ in range(count - 1):
        scene = placed(scene, studio.cutout(draw), somewhere(draw), share(size))
    first, second = studio.two_cutouts(draw)
    place = somewhere(draw)
    one = placed(scene, first, place, share(size))
    other = (scene, placed(scene, mirrored(first), place, share(size)), placed(scene, second, place, share(size)))
    return studio.shots([one, other[draw.integers(3)]], draw, place)
