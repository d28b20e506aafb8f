"""Two shots, or two parts of one, that differ in exposure, focus, frame, light, wind, water, sky or the way they were
made."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shots.camera import Draw, Scene, exposed, jpeg, to_srgb
from shots.placing import elsewhere, moved_about, placed, somewhere
from shots.recipe import Cookbook, share
from shots.studio import Made, Studio, quality

SCALE = 1200  # pixels of the longer side to which widths in pixels refer

COOKBOOK = Cookbook()


def unit(scene: NDArray) -> float:
    """What one pixel of a frame 1,200 pixels wide is in this one."""
    return max(scene.shape[:2]) / SCALE


def smooth(draw: Draw, shape: tuple[int, ...], width: float) -> NDArray[np.float32]:
    """Smooth noise of mean 0 and deviation 1, in patches about `width` pixels wide."""
    high, wide = shape[:2]
    grid = draw.standard_normal((max(3, round(high / width) + 2), max(3, round(wide / width) + 2)), np.float32)
    noise = cv2.resize(grid, (wide, high), interpolation=cv2.INTER_CUBIC)
    return (noise - noise.mean()) / noise.std()


def with_subject(studio: Studio, draw: Draw) -> Scene:
    scene = studio.scene(draw)
    return placed(scene, studio.cutout(draw), somewhere(draw), draw.uniform(0.05, 0.3)) if draw.integers(2) else scene


def blurred(scene: Scene, sigma: float) -> Scene:
    return cv2.GaussianBlur(scene, (0, 0), sigma)


@COOKBOOK.add("exposure bracket", "0.7 stops", "1 stop", "2 stops")
def exposure_bracket(studio: Studio, size: str, draw: Draw) -> Made:
    stops = float(size.split()[0]) * int(draw.choice([-1, 1]))
    scene, shooting = with_subject(studio, draw), studio.shooting(draw)
    files = {}
    for shot, gain in enumerate((1.0, 2.0**stops)):
        exif = shooting.exif(shot, exposure_s=shooting.facts.exposure_s * gain, bias=stops * shot)
        pixels = exposed(scene * np.float32(gain), draw, shooting.iso)
        files[shooting.name(shot)] = jpeg(pixels, quality(draw), exif)
    return Made(files, "never", shooting.told)


@COOKBOOK.add("focus bracket", "slight", "strong")
def focus_bracket(studio: Studio, size: str, draw: Draw) -> Made:
    scene = with_subject(studio, draw)
    high, wide = scene.shape[:2]
    depth = np.linspace(-1.5, 1.5, high, dtype=np.float32)[:, None] + 0.5 * smooth(draw, scene.shape, wide / 4)
    nearness = 1 / (1 + np.exp(-4 * depth))[..., None]
    soft = blurred(scene, {"slight": 1.2, "strong": 4.0}[size] * unit(scene))
    return studio.shots([scene * (1 - nearness) + soft * nearness, soft * (1 - nearness) + scene * nearness], draw)


@COOKBOOK.add("burst, nothing changed", "2 shots", "4 shots")
def burst(studio: Studio, size: str, draw: Draw) -> Made:
    return studio.shots([with_subject(studio, draw)] * int(size.split()[0]), draw)


@COOKBOOK.add("panorama", "25 %", "50 %", "75 %", "90 %")
def panorama(studio: Studio, size: str, draw: Draw) -> Made:
    """Two frames of a sweep, the second turned by up to half a degree; `size` is their overlap."""
    side = studio.side(draw)
    scene = studio.scene(draw, 2 * (side * 2 // 3))
    high, wide = scene.shape[:2]
    frame = round(wide / (2 - share(size))) // 2 * 2
    turn = cv2.getRotationMatrix2D((wide / 2, high / 2), draw.uniform(-0.5, 0.5), 1)
    other = cv2.warpAffine(scene, turn, (wide, high), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return studio.shots([scene[:, :frame], np.ascontiguousarray(other[:, wide - frame :])], draw)


@COOKBOOK.add("two crops of one photo", "30 %", "60 %", "85 %")
def two_crops(studio: Studio, size: str, draw: Draw) -> Made:
    """Parts of one shot that share `size` of either's width."""
    shooting = studio.shooting(draw)
    photo = Image.fromarray(exposed(with_subject(studio, draw), draw, shooting.iso))
    frame = round(photo.width / (2 - share(size)))
    boxes = [(0, 0, frame, photo.height), (photo.width - frame, 0, photo.width, photo.height)]
    names = [f"{shooting.name(0)[:-4]}{end}.jpg" for end in ("-left", "-right")]
    files = [jpeg(photo.crop(box), quality(draw), shooting.exif(0)) for box in boxes]
    return Made(dict(zip(names, files, strict=True)), "never", shooting.told)


@COOKBOOK.add("zoom", "1.1 times", "1.3 times", "2 times")
def zoom(studio: Studio, size: str, draw: Draw) -> Made:
    side, times = studio.side(draw), float(size.split()[0])
    scene = studio.scene(draw, 2 * round(side * min(times, 1.5) / 2))
    high, wide = scene.shape[:2]
    top, left = (round(length * (1 - 1 / times) / 2) for length in (high, wide))
    centre = scene[top : high - top, left : wide - left]
    scale = side / wide if wide >= high else side / high
    frame = 2 * round(wide * scale / 2), 2 * round(high * scale / 2)
    return studio.shots([cv2.resize(one, frame, interpolation=cv2.INTER_AREA) for one in (scene, centre)], draw)


@COOKBOOK.add("wind in the leaves", "1 px", "4 px")
def wind(studio: Studio, size: str, draw: Draw) -> Made:
    """Patches of the frame sway; pixels are those of a frame 1,200 wide."""
    scene = studio.scene(draw)
    mask = np.clip(smooth(draw, scene.shape, max(scene.shape) / 4) * 2, 0, 1)
    amount = share(size) * 100 * unit(scene)
    swayed = moved_about(scene, draw, amount, 40 * unit(scene), mask)
    return studio.shots([scene, swayed], draw)


@COOKBOOK.add("clouds moved")
def clouds(studio: Studio, _size: str, draw: Draw) -> Made:
    scene = studio.scene(draw)
    high, wide = scene.shape[:2]
    step = round(wide * draw.uniform(0.03, 0.15))
    sky = sum(smooth(draw, (high, wide + step), wide / parts) / parts for parts in (3, 7, 15, 40)) * 3
    fade = np.clip(1.6 - 3 * np.linspace(0, 1, high, dtype=np.float32)[:, None], 0, 1)
    frames = []
    for left in (0, step):
        cover = (np.clip(sky[:, left : left + wide] + 0.3, 0, 1) * fade)[..., None]
        frames.append(scene * (1 - cover) + np.float32(0.8) * cover)
    return studio.shots(frames, draw, (0.5, 0.2))


@COOKBOOK.add("water moved")
def water(studio: Studio, _size: str, draw: Draw) -> Made:
    scene = studio.scene(draw)
    high, wide = scene.shape[:2]
    mask = np.clip(6 * np.linspace(0, 1, high, dtype=np.float32)[:, None] - 3.6, 0, 1)
    frames = []
    for _ in range(2):
        waves = 1 + 0.25 * smooth(draw, (high, max(3, wide // 6)), 6 * unit(scene)) * mask
        bright = cv2.resize(waves.astype(np.float32), (wide, high))[..., None]
        frames.append(moved_about(scene, draw, 3 * unit(scene), 20 * unit(scene), mask) * bright)
    return studio.shots(frames, draw, (0.5, 0.8))


@COOKBOOK.add("star field turned", "0.1 degrees", "1 degree")
def stars(studio: Studio, size: str, draw: Draw) -> Made:
    """Stars turn about a pole while the ground stays."""
    ground = studio.scene(draw) * 0.02
    high, wide = ground.shape[:2]
    sky = np.zeros((high, wide), np.float32)
    count = 900
    places = draw.integers(0, (high, wide), (count, 2))
    sky[places[:, 0], places[:, 1]] = np.minimum(draw.pareto(1.5, count) + 0.3, 12)
    sky = blurred(sky, 0.8 * unit(sky)) * unit(sky)
    turn = cv2.getRotationMatrix2D((wide * draw.uniform(0.2, 0.8), high * 0.3), float(size.split()[0]), 1)
    horizon = (0.62 + 0.03 * smooth(draw, (1, wide), wide / 5)) * high
    above = (np.arange(high, dtype=np.float32)[:, None] < horizon)[..., None]
    glow = np.float32([0.006, 0.008, 0.014])
    skies = sky, cv2.warpAffine(sky, turn, (wide, high), flags=cv2.INTER_CUBIC)
    frames = [np.where(above, np.clip(one, 0, 1)[..., None] + glow, ground) for one in skies]
    return studio.shots(frames, draw, (0.5, 0.3))


@COOKBOOK.add("time-lapse, light moved on")
def time_lapse(studio: Studio, _size: str, draw: Draw) -> Made:
    """A shadow wanders and the colour of the light changes."""
    scene = with_subject(studio, draw)
    edge = smooth(draw, scene.shape, scene.shape[1] / 3)
    frames = []
    for step, warm in ((0.0, 1.0), (0.25, draw.uniform(1.02, 1.1))):
        lit = np.clip((edge + step) * 8 + 0.5, 0, 1)[..., None]
        frames.append(scene * (0.45 + 0.55 * lit) * np.float32([warm, 1, 1 / warm]))
    return studio.shots(frames, draw)


@COOKBOOK.add("HDR merge and frame")
def hdr(studio: Studio, _size: str, draw: Draw) -> Made:
    """One exposure, and the merge of three that shows both lights and shadows."""
    scene, shooting = with_subject(studio, draw) * np.float32(1.6), studio.shooting(draw)
    frame = exposed(scene, draw, shooting.iso)
    brackets = [exposed(scene * np.float32(gain), draw, shooting.iso, tripod=False) for gain in (0.25, 1, 4)]
    merged = cv2.createMergeMertens().process([np.ascontiguousarray(one) for one in brackets])
    pixels = np.clip(255 * merged, 0, 255).astype(np.uint8)
    names = shooting.name(0), f"{shooting.name(0)[:-4]}-HDR.jpg"
    files = [jpeg(one, quality(draw), shooting.exif(shot)) for shot, one in enumerate((frame, pixels))]
    return Made(dict(zip(names, files, strict=True)), "never", shooting.told)


@COOKBOOK.add("collage and photo", "2", "4", "9")
def collage(studio: Studio, size: str, draw: Draw) -> Made:
    """A sheet of photos, and one of these: the sheet shows more, the photo shows it larger."""
    photos = [Image.fromarray(exposed(with_subject(studio, draw), draw, 400)) for _ in range(int(size))]
    columns = 3 if size == "9" else 2
    rows = int(size) // columns
    cell = photos[0].width // columns, photos[0].height // columns
    sheet = Image.new("RGB", (columns * cell[0], rows * cell[1]), "white")
    for number, photo in enumerate(photos):
        left, top = number % columns * cell[0], number // columns * cell[1]
        sheet.paste(photo.resize((cell[0] - 8, cell[1] - 8)), (left + 4, top + 4))
    return Made({"photo.jpg": jpeg(photos[0], 92), "collage.jpg": jpeg(sheet, 92)}, "never", "no EXIF")


@COOKBOOK.add("video stills", "3 %", "8 %", "30 %")
def video_stills(studio: Studio, size: str, draw: Draw) -> Made:
    """Stills of a video, where the subject went on by a step: little noise, coarse blocks, no EXIF."""
    scene = studio.scene(draw, int(draw.choice([1280, 1920])))
    cutout, place = studio.cutout(draw), somewhere(draw)
    step = share(size) * draw.uniform(0.5, 1.5)
    other = place[0] + (step if place[0] < 0.5 else -step), place[1]
    files = {}
    for number, there in enumerate((place, other)):
        pixels = exposed(blurred(placed(scene, cutout, there, share(size)), 0.6), draw, 800)
        coarse = cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 45])[1], cv2.IMREAD_COLOR)
        files[f"vlcsnap-{number:05}.jpg"] = jpeg(coarse, 90)
    return Made(files, "never", "no EXIF", place)


@COOKBOOK.add("film scanned twice")
def film(studio: Studio, _size: str, draw: Draw) -> Made:
    """Two neighbours on a film with grain and dust of their own; the subject is elsewhere on the second."""
    scene, cutout, place = studio.scene(draw), studio.cutout(draw), somewhere(draw)
    files = {}
    for number, there in enumerate((place, elsewhere(draw, place, 0.2))):
        frame = to_srgb(placed(scene, cutout, there, 0.1)).astype(np.float32)
        frame += 9 * blurred(draw.standard_normal(frame.shape[:2], np.float32), unit(scene))[..., None]
        for _ in range(12):
            x, y = (int(draw.integers(length)) for length in frame.shape[1::-1])
            end = x + int(draw.integers(-20, 20)), y + int(draw.integers(-20, 20))
            cv2.line(frame, (x, y), end, (235, 235, 235), 1)
        files[f"scan{number:03}.jpg"] = jpeg(np.clip(frame, 0, 255).astype(np.uint8), 92)
    return Made(files, "never", "no EXIF", place)
