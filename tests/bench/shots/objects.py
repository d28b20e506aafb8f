"""Drawn things whose state is the whole point, in scenes and on screens: lights, eyes, clocks, signs, pages, forms."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from shots.camera import Draw, exposed, jpeg, saved, to_linear
from shots.placing import placed, somewhere
from shots.recipe import Cookbook, share
from shots.studio import Made, Studio, quality

SIDE = 600  # pixels of a drawn thing's longer side, before it is placed
WORDS = [
    "amber",
    "river",
    "north",
    "signal",
    "paper",
    "window",
    "seven",
    "garden",
    "market",
    "report",
    "letter",
    "stone",
    "summer",
    "bridge",
    "copper",
    "night",
]
FORMS = ("screenshot", "scan", "photo")

COOKBOOK = Cookbook()


def blank(width: int = SIDE, height: int = SIDE) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGBA", (width, height))
    return image, ImageDraw.Draw(image)


def in_scene(studio: Studio, states: list[Image.Image], size: str, draw: Draw) -> Made:
    """Shots of a scene with a drawn thing, in one state and in another."""
    scene, place = studio.scene(draw), somewhere(draw)
    return studio.shots([placed(scene, np.asarray(one), place, share(size)) for one in states], draw, place)


@COOKBOOK.add("lamp changed colour", "2 %", "5 %", "8 %")
def lamp(studio: Studio, size: str, draw: Draw) -> Made:
    """Red and green of the same lightness, in the same place: grey pictures of them are equal."""
    states = []
    for colour in ("#ff4060", "#30b050"):
        image, pen = blank()
        pen.rounded_rectangle((0, 0, SIDE - 1, SIDE - 1), 120, "#202428")
        pen.ellipse((90, 90, SIDE - 90, SIDE - 90), colour)
        states.append(image)
    return in_scene(studio, states, size, draw)


@COOKBOOK.add("traffic light changed", "3 %", "8 %", "16 %")
def traffic_light(studio: Studio, size: str, draw: Draw) -> Made:
    states = []
    for lit in (0, 2):
        image, pen = blank(SIDE // 3)
        pen.rounded_rectangle((0, 0, SIDE // 3 - 1, SIDE - 1), 40, "#181c18")
        for lamp, (bright, dark) in enumerate((("#ff3018", "#401008"), ("#ffb010", "#403008"), ("#20e060", "#084018"))):
            top = 20 + 190 * lamp
            pen.ellipse((20, top, 180, top + 160), bright if lamp == lit else dark)
        states.append(image)
    return in_scene(studio, states, size, draw)


@COOKBOOK.add("eyes closed", "5 %", "16 %", "30 %")
def eyes(studio: Studio, size: str, draw: Draw) -> Made:
    """A face whose eyes are open, and closed; `size` is the face's."""
    skin = tuple(int(value) for value in draw.uniform((150, 100, 70), (235, 190, 160)))
    shade = tuple(int(0.75 * value) for value in skin)
    states = []
    for closed in (False, True):
        image, pen = blank(450)
        pen.ellipse((0, 0, 449, 599), (*skin, 255))
        pen.pieslice((0, -20, 449, 420), 180, 360, (60, 40, 30, 255))
        pen.rectangle((60, 190, 390, 230), (*skin, 255))
        pen.polygon([(225, 270), (195, 380), (245, 380)], (*shade, 255))
        pen.arc((140, 390, 310, 500), 20, 160, (150, 40, 50, 255), 14)
        for x in (90, 270):
            if closed:
                pen.arc((x, 215, x + 90, 285), 20, 160, (*shade, 255), 8)
                continue
            pen.ellipse((x, 235, x + 90, 285), "white")
            pen.ellipse((x + 25, 238, x + 67, 280), "#302010")
        states.append(image.filter(ImageFilter.GaussianBlur(3)))
    return in_scene(studio, states, size, draw)


@COOKBOOK.add("clock on a wall", "5 %", "16 %", "30 %")
def wall_clock(studio: Studio, size: str, draw: Draw) -> Made:
    minute = int(draw.integers(720))
    states = []
    for time in (minute, minute + int(draw.integers(5, 300))):
        image, pen = blank()
        pen.ellipse((0, 0, SIDE - 1, SIDE - 1), "#303030")
        pen.ellipse((25, 25, SIDE - 26, SIDE - 26), "#f4f0e8")
        for hour in range(12):
            hand(pen, hour / 12, 225, 260, 14)
        hand(pen, time / 720, -20, 150, 26)
        hand(pen, time / 60, -20, 230, 16)
        states.append(image)
    return in_scene(studio, states, size, draw)


def hand(pen: ImageDraw.ImageDraw, turn: float, start: float, end: float, width: int) -> None:
    x, y = np.sin(2 * np.pi * turn), -np.cos(2 * np.pi * turn)
    middle = SIDE / 2
    pen.line([(middle + x * start, middle + y * start), (middle + x * end, middle + y * end)], "#202020", width)


@COOKBOOK.add("digit on a sign", "5 %", "16 %", "30 %")
def sign(studio: Studio, size: str, draw: Draw) -> Made:
    """A number plate or a price; one digit of five is another. `size` is the sign's."""
    digits = [int(digit) for digit in draw.integers(10, size=5)]
    other = list(digits)
    changed = int(draw.integers(5))
    other[changed] = (digits[changed] + int(draw.integers(1, 10))) % 10
    states = []
    for number in (digits, other):
        image, pen = blank(SIDE, 180)
        pen.rounded_rectangle((0, 0, SIDE - 1, 179), 20, "#e8e8d8", "#202020", 8)
        pen.text((SIDE / 2, 92), "".join(map(str, number)), "#101010", font_size=150, anchor="mm")
        states.append(image)
    return in_scene(studio, states, size, draw)


def on_screen(pages: list[Image.Image], form: str, draw: Draw, stem: str) -> Made:
    """Pages as screenshots without any noise, as scans, or as photos of a screen."""
    files = {}
    for number, page in enumerate(pages):
        if form == "screenshot":
            files[f"{stem}-{number}.png"] = saved(page, "PNG")
            continue
        scene = to_linear(np.asarray(page.filter(ImageFilter.GaussianBlur(0.7)))) * 0.85
        shot = Image.fromarray(exposed(scene[: page.height // 2 * 2, : page.width // 2 * 2], draw, 400))
        files[f"{stem}-{number}.jpg"] = jpeg(shot.convert("L") if form == "scan" else shot, quality(draw))
    return Made(files, "never", "no EXIF")


def words(draw: Draw, count: int) -> str:
    return " ".join(str(draw.choice(WORDS)) for _ in range(count))


def paragraphs(draw: Draw, width: int, height: int, size: int) -> Image.Image:
    page = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(page)
    top = size
    while top < height - size:
        indent = 0 if draw.random() < 0.85 else size
        pen.text((2 * size + indent, top), words(draw, int(draw.integers(5, 14))), "#181818", font_size=size)
        top += round(size * (1.5 if draw.random() < 0.85 else 2.6))
    return page


@COOKBOOK.add("page scrolled by half", *FORMS)
def scrolled(_studio: Studio, size: str, draw: Draw) -> Made:
    page = paragraphs(draw, 1200, 1500, int(draw.integers(20, 34)))
    return on_screen([page.crop((0, top, 1200, top + 1000)) for top in (0, 500)], size, draw, "Screenshot")


def form(draw: Draw, labels: list[str], values: list[str]) -> Image.Image:
    """An invoice or another form: labels, boxes and values."""
    page = Image.new("RGB", (1000, 1400), "white")
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 1000, 130), "#284878")
    pen.text((60, 40), "INVOICE", "white", font_size=52)
    for row, (label, value) in enumerate(zip(labels, values, strict=True)):
        top = 190 + 75 * row
        pen.text((60, top), label, "#404040", font_size=26)
        pen.rectangle((500, top - 12, 940, top + 44), outline="#909090", width=2)
        pen.text((520, top), value, "#101010", font_size=28)
    return page


def form_values(draw: Draw, rows: int) -> list[str]:
    return [
        f"{draw.integers(10, 99_999):,}.{draw.integers(100):02}" if draw.integers(2) else words(draw, 2)
        for _ in range(rows)
    ]


@COOKBOOK.add("one form, every value different", *FORMS)
def forms(_studio: Studio, size: str, draw: Draw) -> Made:
    labels = [words(draw, 2).title() for _ in range(14)]
    return on_screen([form(draw, labels, form_values(draw, 14)) for _ in range(2)], size, draw, "invoice")


@COOKBOOK.add("one form, one digit different", *FORMS)
def one_digit(_studio: Studio, size: str, draw: Draw) -> Made:
    labels = [words(draw, 2).title() for _ in range(14)]
    values = form_values(draw, 14)
    row = int(draw.integers(14))
    values[row] = f"{draw.integers(1000, 9999)}.{draw.integers(100):02}"
    place = int(draw.integers(4))
    digit = (int(values[row][place]) + int(draw.integers(1, 10))) % 10
    other = [*values[:row], values[row][:place] + str(digit) + values[row][place + 1 :], *values[row + 1 :]]
    return on_screen([form(draw, labels, one) for one in (values, other)], size, draw, "invoice")


@COOKBOOK.add("chat with another message", *FORMS)
def chat(_studio: Studio, size: str, draw: Draw) -> Made:
    """The last message is another, or one more has come and moved all others up."""
    said = [words(draw, int(draw.integers(2, 7))) for _ in range(13)]
    other = [*said[:11], words(draw, 4)] if draw.integers(2) else said[1:13]
    return on_screen([chat_page(one) for one in (said[:12], other)], size, draw, "Screenshot")


def chat_page(messages: list[str]) -> Image.Image:
    page = Image.new("RGB", (720, 1280), "#e8e0d8")
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 720, 90), "#107060")
    for row, message in enumerate(messages):
        top, left = 110 + 95 * row, 30 if len(message) % 2 else 180
        pen.rounded_rectangle((left, top, left + 500, top + 75), 18, "white" if left == 30 else "#d8f8c8")
        pen.text((left + 20, top + 22), message[:32], "#202020", font_size=26)
    return page


@COOKBOOK.add("clock on a screen", *FORMS)
def screen_clock(studio: Studio, size: str, draw: Draw) -> Made:
    """A telephone's locked screen over one wallpaper, minutes apart."""
    wallpaper = Image.fromarray(exposed(studio.scene(draw, 1280), draw, 100)).resize((1280, 960)).crop((0, 0, 720, 960))
    minute = int(draw.integers(1380))
    pages = []
    for time in (minute, minute + int(draw.integers(1, 59))):
        page = wallpaper.copy()
        pen = ImageDraw.Draw(page)
        pen.text((360, 160), f"{time // 60:02}:{time % 60:02}", "white", font_size=110, anchor="mm")
        pen.text((360, 250), "Tuesday, 12 March", "white", font_size=32, anchor="mm")
        pages.append(page)
    return on_screen(pages, size, draw, "Screenshot")


@COOKBOOK.add("chart with another curve", *FORMS)
def chart(_studio: Studio, size: str, draw: Draw) -> Made:
    pages = []
    for _ in range(2):
        page = Image.new("RGB", (1200, 800), "white")
        pen = ImageDraw.Draw(page)
        for line in range(9):
            pen.line([(100, 80 + 80 * line), (1140, 80 + 80 * line)], "#d0d0d0", 2)
            pen.text((40, 66 + 80 * line), str(80 - 10 * line), "#404040", font_size=24)
        heights = 400 + np.cumsum(draw.normal(0, 30, 27))
        pen.line([(100 + 40 * step, float(high)) for step, high in enumerate(heights)], "#2060c0", 4)
        pages.append(page)
    return on_screen(pages, size, draw, "chart")
