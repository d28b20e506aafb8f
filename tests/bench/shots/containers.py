"""One shot in two files, one of which holds more than the pixels of its first picture at 8 bits."""

import struct

import cv2
import numpy as np
from PIL import Image

from shots import expectations
from shots.camera import Draw, jpeg, saved, to_srgb
from shots.placing import placed, somewhere
from shots.recipe import Cookbook
from shots.studio import Made, Studio
from shots.versions import original

COOKBOOK = Cookbook()


def set_of(files: dict[str, bytes]) -> Made:
    return Made(files, expectations.KEEP_FIRST, "no EXIF")


@COOKBOOK.add("16 bits and 8", "PNG", "TIFF")
def sixteen_bits(studio: Studio, size: str, draw: Draw) -> Made:
    scene = studio.scene(draw)
    noisy = np.clip(scene + 0.002 * draw.standard_normal(scene.shape, np.float32), 0, 1)
    deep = np.round(noisy ** (1 / 2.2) * 65535).astype(np.uint16)
    encoded = cv2.imencode(f".{size.lower()}", deep[..., ::-1])[1].tobytes()
    shallow = Image.fromarray((deep >> 8).astype(np.uint8))
    return set_of({f"master.{size.lower()}": encoded, "master.bmp": saved(shallow, "BMP")})


@COOKBOOK.add("alpha and flattened")
def alpha(studio: Studio, _size: str, draw: Draw) -> Made:
    cutout = Image.fromarray(studio.cutout(draw)).resize((800, 800))
    flat = Image.new("RGB", cutout.size, "white")
    flat.paste(cutout, mask=cutout)
    return set_of({"cutout.png": saved(cutout, "PNG"), "flat.png": saved(flat, "PNG")})


@COOKBOOK.add("three pages and the first")
def pages(studio: Studio, _size: str, draw: Draw) -> Made:
    images = [original(studio, draw, 1200).image for _ in range(3)]
    tiff = saved(images[0], "TIFF", save_all=True, append_images=images[1:])
    return set_of({"scan.tif": tiff, "scan.png": saved(images[0], "PNG", compress_level=1)})


@COOKBOOK.add("animation and its first frame")
def animation(studio: Studio, _size: str, draw: Draw) -> Made:
    scene, cutout = studio.scene(draw, 800), studio.cutout(draw)
    frames = [Image.fromarray(to_srgb(placed(scene, cutout, somewhere(draw), 0.2))) for _ in range(3)]
    webp = saved(frames[0], "WebP", save_all=True, append_images=frames[1:], lossless=True, duration=200, method=0)
    return set_of({"moving.webp": webp, "still.png": saved(frames[0], "PNG", compress_level=1)})


@COOKBOOK.add("colour profile and none")
def profile(studio: Studio, _size: str, draw: Draw) -> Made:
    """The same numbers, which mean other colours without the profile."""
    photo = original(studio, draw).image
    tagged = saved(photo, "PNG", compress_level=1, icc_profile=wide_gamut())
    return set_of({"wide.png": tagged, "wide.bmp": saved(photo, "BMP")})


def wide_gamut() -> bytes:
    """A matrix profile (ICC.1:2001) with the primaries and the gamma of Adobe RGB (1998)."""
    xyz = {
        b"wtpt": (0.9505, 1.0, 1.0891),
        b"rXYZ": (0.60974, 0.31111, 0.01947),
        b"gXYZ": (0.20528, 0.62567, 0.06087),
        b"bXYZ": (0.14919, 0.06322, 0.74457),
    }
    tags = {name: b"XYZ " + bytes(4) + b"".join(_fixed(value) for value in values) for name, values in xyz.items()}
    gamma = b"curv" + bytes(4) + struct.pack(">IHH", 1, round(2.2 * 256), 0)
    words = b"Wide\0"
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma)
    tags[b"desc"] = b"desc" + bytes(4) + struct.pack(">I", len(words)) + words + bytes(78 + 3)
    tags[b"cprt"] = b"text" + bytes(4) + b"none" + bytes(4)
    start, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    header += date + b"acsp" + bytes(28) + _fixed(0.9642) + _fixed(1) + _fixed(0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


@COOKBOOK.add("depth map and none")
def depth_map(studio: Studio, _size: str, draw: Draw) -> Made:
    """A JPEG with a second picture in its multi-picture index, as telephones write for portraits."""
    image = original(studio, draw).image
    depth = Image.fromarray(draw.integers(256, size=(24, 32), dtype=np.uint8)).resize((320, 240))
    portrait = saved(image, "MPO", save_all=True, append_images=[depth], quality=95, subsampling="4:2:0")
    return set_of({"portrait.jpg": portrait, "plain.jpg": jpeg(image, 95)})


@COOKBOOK.add("motion photo and still")
def motion(studio: Studio, _size: str, draw: Draw) -> Made:
    """A JPEG with a video behind it, and the same JPEG without."""
    image = original(studio, draw).image
    video = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(draw.integers(256, size=200_000, dtype=np.uint8))
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MicroVideo="1" '
        f'GCamera:MicroVideoVersion="1" GCamera:MicroVideoOffset="{len(video)}"/></rdf:RDF></x:xmpmeta>'
    )
    moving = saved(image, "JPEG", quality=95, subsampling="4:2:0", xmp=xmp.encode())
    return set_of({"MVIMG_0001.jpg": moving + video, "still.jpg": jpeg(image, 95)})
