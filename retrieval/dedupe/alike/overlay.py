"""Two pictures of one scene on one grid, at the resolution of the coarser one, with what both show.

The sharper of the two is filtered by the blend of blurs that makes it most like the other. So neither scaling nor
sharpening, softening or recompression counts as a difference; what is then left unexplained is one.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.dedupe.alike.features import Border, Grey, border
from retrieval.dedupe.alike.registration import (
    Mask,
    Registration,
    Transform,
    register,
    smoothed,
    warped,
    warped_mask,
    within,
)

Plane = NDArray[np.float32]  # (height, width)
Pixels = NDArray[np.uint8]  # (height, width, 3), RGB

_BLURS = (0.0, 0.7, 1.2, 2.0, 3.2)  # pixels: what the blend is made of
_WIDE = 8.0  # pixels: what is coarser than this is light, not structure
_DENSER = 1.05  # a picture with so many times the pixels is made smaller before it is laid
_CLEAN = 0.03  # of the structure
_OUTLIER = 2.0  # standard deviations


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """A first and a second picture on the grid of the coarser one. All planes have one shape."""

    first: Plane  # structure: grey levels around the local mean, after the blend of blurs if it is the sharper one
    second: Plane
    first_seen: Plane  # as they are
    second_seen: Plane
    colours: tuple[Pixels, Pixels]  # of the first and of the second, on this grid
    shared: Mask  # what both show, borders apart
    first_covered: float  # share of the first's area that the second shows too, borders apart, 0 to 1
    second_covered: float
    registration: Registration
    to_first: Transform  # takes places of this grid to places of the first picture
    to_second: Transform  # takes places of the first picture to places of the second
    scale: float  # pixels of the second for one of the first
    residual: float  # what the blend leaves unexplained, as a share of the structure

    @property
    def is_clean(self) -> bool:
        """Whether next to nothing is left unexplained: screenshots, copies without loss. Then little things count."""
        return self.residual < _CLEAN

    @property
    def side(self) -> int:
        """The longer side of the grid, in pixels."""
        return int(max(self.shared.shape))


def overlay(first: Pixels, second: Pixels, start: Transform) -> Overlay:
    """Lay the second picture upon the first; `start` takes places of the first to places of the second."""
    scale = float(np.sqrt(abs(np.linalg.det(start[:2, :2]))))
    reference_is_first = scale >= 1
    reference, other = (first, second) if reference_is_first else (second, first)
    transform = np.asarray(start if reference_is_first else np.linalg.inv(start), dtype=np.float64)
    reference_grey, reference_border = _grey(reference)
    other_grey, other_border = _grey(other)
    inside = within(other.shape[:2], other_border)
    shrink, to_other = _shrinking(other.shape[:2], scale if reference_is_first else 1 / scale)
    small_grey, small_inside = _resized(other_grey, shrink), _resized(inside, shrink, cv2.INTER_NEAREST)
    registration = register(reference_grey, small_grey, np.linalg.inv(to_other) @ transform, small_inside)
    laid = registration.transform
    shape = (reference.shape[0], reference.shape[1])
    own = within(shape, reference_border)
    everything = np.ones(small_grey.shape, np.uint8)
    shared = warped_mask(everything, laid, shape)
    other_colours = warped(_resized(other, shrink), laid, shape, cv2.INTER_CUBIC)
    reference_plane, other_plane = _in_one_grey(
        reference,
        other_colours,
        reference_grey.astype(np.float32),
        warped(small_grey, laid, shape, cv2.INTER_CUBIC).astype(np.float32),
        shared,
    )
    # A border is nothing that could be lost, whatever lies on it in the other picture.
    reference_covered = float((shared * own).sum()) / max(1.0, float(own.sum()))
    density = abs(np.linalg.det(laid[:2, :2]))
    found = float(warped_mask(small_inside, laid, shape).sum()) * density
    other_covered = min(1.0, found / max(1.0, float(small_inside.sum())))
    structure_reference, structure_other, residual = _at_one_resolution(reference_plane, other_plane, shared)
    to_second = to_other @ laid
    if reference_is_first:
        planes = structure_reference, structure_other, reference_plane, other_plane
        colours, shares, to_first = (reference, other_colours), (reference_covered, other_covered), np.eye(3)
    else:
        planes = structure_other, structure_reference, other_plane, reference_plane
        colours, shares, to_first = (other_colours, reference), (other_covered, reference_covered), to_second
        to_second = np.asarray(np.linalg.inv(to_second), dtype=np.float64)
    scale = float(np.sqrt(abs(np.linalg.det(to_second[:2, :2]))))
    return Overlay(*planes, colours, shared, *shares, registration, to_first, to_second, scale, residual)


def _grey(picture: Pixels) -> tuple[Grey, Border]:
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return grey, border(grey)


def _in_one_grey(
    reference: Pixels, other: Pixels, reference_grey: Plane, other_grey: Plane, shared: Mask
) -> tuple[Plane, Plane]:
    """The grey of both; of one of them by that blend of its channels which is most like the other's grey.

    A black and white picture may have been made by a filter of any colour.
    """
    blends = [
        (*_mixed(reference, other_grey, shared), True),
        (*_mixed(other, reference_grey, shared), False),
    ]
    (plane, _, of_reference) = min(blends, key=lambda blend: blend[1])
    return (plane, other_grey) if of_reference else (reference_grey, plane)


def _mixed(colours: Pixels, target: Plane, shared: Mask) -> tuple[Plane, float]:
    """The blend of channels that is most like a target, outliers apart, and how far it is from it, in grey levels."""
    inside = shared[::6, ::6] > 0
    channels = colours[::6, ::6][inside].astype(np.float64)
    wanted = target[::6, ::6][inside].astype(np.float64)
    if len(wanted) < 50:
        return np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), dtype=np.float32), float("inf")
    known = np.column_stack([channels, np.ones(len(channels))])
    luma = np.array([0.299, 0.587, 0.114, 0.0])  # what the blend tends to where colours do not tell
    damping = np.diag([1.0, 1.0, 1.0, 1e-6]) * 20.0 * len(wanted)
    weights = np.ones(len(wanted))
    factors = luma
    for _ in range(4):
        weighed = known * weights[:, None]
        factors = np.linalg.solve(known.T @ weighed + damping, weighed.T @ wanted + damping @ luma)
        error = np.abs(wanted - known @ factors)
        weights = 1 / (1 + (error / (_OUTLIER * (float(np.median(error)) + 1.0))) ** 2)
    plane = cv2.transform(colours.astype(np.float32), factors[None, :].astype(np.float32))
    return np.asarray(plane, dtype=np.float32).reshape(target.shape), float(np.median(error))


def _shrinking(shape: tuple[int, ...], factor: float) -> tuple[tuple[int, int] | None, Transform]:
    """The size (width, height) that a picture is made smaller to, and what takes places there back to the picture."""
    if factor <= _DENSER:
        return None, np.eye(3)
    width, height = max(1, round(shape[1] / factor)), max(1, round(shape[0] / factor))
    x, y = shape[1] / width, shape[0] / height
    back = np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5], [0, 0, 1]])  # centres of pixels lie at whole numbers
    return (width, height), back


def _resized(
    picture: NDArray[np.uint8], size: tuple[int, int] | None, interpolation: int = cv2.INTER_AREA
) -> NDArray[np.uint8]:
    return picture if size is None else np.asarray(cv2.resize(picture, size, interpolation=interpolation))


def _at_one_resolution(reference: Plane, other: Plane, shared: Mask) -> tuple[Plane, Plane, float]:
    """The structure of both, the sharper one filtered to be like the other, and what that leaves, 0 to 1."""
    shown = shared > 0
    other = np.where(shown, other, reference)  # so that nothing runs in from where only one of them shows something
    low_reference, low_other = smoothed(reference, _WIDE), smoothed(other, _WIDE)
    if _fineness(reference, low_reference, shared) > _fineness(other, low_other, shared):
        blend, residual = blended(reference, low_reference, other - low_other, shared)
        return blend, other - low_other, residual
    blend, residual = blended(other, low_other, reference - low_reference, shared)
    return reference - low_reference, blend, residual


def _fineness(picture: Plane, low: Plane, shared: Mask) -> float:
    """The energy of the finest structure as a share of all."""
    inside = shared[::2, ::2] > 0
    fine = (picture - cv2.GaussianBlur(picture, (0, 0), 1.0))[::2, ::2][inside]
    whole = (picture - low)[::2, ::2][inside]
    return float((fine**2).mean() / max(float((whole**2).mean()), 1e-6)) if fine.size else 0.0


def blended(sharper: Plane, low: Plane, target: Plane, shared: Mask) -> tuple[Plane, float]:
    """The blend of blurs of a picture that is most like a target, outliers apart, and what it leaves, as a share.

    `low` is the picture without structure; the target and the blend are structure alone.
    """
    basis = [(sharper if sigma == 0 else cv2.GaussianBlur(sharper, (0, 0), sigma)) - low for sigma in _BLURS]
    inside = shared[::3, ::3] > 0
    known = np.stack([plane[::3, ::3][inside] for plane in basis], axis=1).astype(np.float64)
    wanted = target[::3, ::3][inside].astype(np.float64)
    if len(wanted) < 10 * len(_BLURS):
        return basis[0], 1.0
    weights = np.ones(len(wanted))
    factors = np.zeros(len(_BLURS))
    for _ in range(3):
        products = known.T @ (known * weights[:, None])
        damping = 1e-4 * np.trace(products) / len(_BLURS) + 1e-9
        factors = np.linalg.solve(products + damping * np.eye(len(_BLURS)), known.T @ (weights * wanted))
        error = wanted - known @ factors
        spread = 1.4826 * float(np.median(np.abs(error))) + 0.5
        weights = 1 / (1 + (error / (_OUTLIER * spread)) ** 2)
    left = float(np.sqrt((weights * error**2).sum() / max(float((weights * wanted**2).sum()), 1e-6)))
    blend = np.zeros_like(sharper)
    for factor, plane in zip(factors, basis, strict=True):
        blend += np.float32(factor) * plane
    return blend, left
