import dataclasses

import numpy as np
import pytest
import torch

from retrieval.training import colour, degrade, edits, mixes, textures
from retrieval.training.atlas import Atlas
from retrieval.training.chance import Chance
from retrieval.training.views import Views, ViewSettings

CPU = torch.device("cpu")
SIZE = 32
QUIET = ViewSettings(
    turned=0, upside_down=0, textures=0, mosaics=0, patched=0, double_exposures=0, jittered=0, grey=0, tones=0,
    solarised=0, blurred=0, noisy=0, coarse=0, recompressed=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def atlas(noisy):
    return Atlas([np.array(noisy(seed, (90 + 10 * seed, 100))) for seed in range(6)], CPU)


@pytest.fixture
def images(atlas):
    return Views(atlas, QUIET, SIZE).draw(18, chance())


def chance(seed=0, step=0):
    return Chance(CPU, seed, step)


def assert_image(images, n):
    assert images.shape == (n, 3, SIZE, SIZE)
    assert images.dtype == torch.float32
    assert images.isfinite().all()
    assert images.min() >= 0 and images.max() <= 1


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_views_are_images_whatever_their_number(atlas, n):
    views = Views(atlas, ViewSettings(), SIZE)
    for step in range(3):
        assert_image(views.draw(n, chance(step=step)), n)


def test_views_differ_from_each_other_and_from_step_to_step(atlas):
    views = Views(atlas, ViewSettings(), SIZE)
    drawn = torch.cat([views.draw(16, chance(step=step)) for step in range(2)]).flatten(1)
    distances = torch.cdist(drawn, drawn) + torch.eye(len(drawn)) * 1e9
    assert distances.min() > 0.1


def test_the_same_seed_and_step_draw_the_same_views(atlas):
    views = Views(atlas, ViewSettings(), SIZE)
    assert torch.equal(views.draw(16, chance(3, 5)), views.draw(16, chance(3, 5)))
    assert not torch.equal(views.draw(16, chance(3, 5)), views.draw(16, chance(4, 5)))


def test_every_share_has_an_effect(atlas):
    plain = Views(atlas, QUIET, SIZE).draw(8, chance())
    for field in dataclasses.fields(ViewSettings):
        if isinstance(getattr(QUIET, field.name), (int, float)) and getattr(QUIET, field.name) == 0:
            changed = dataclasses.replace(QUIET, **{field.name: 1.0})
            assert not torch.equal(Views(atlas, changed, SIZE).draw(8, chance()), plain), field.name


def test_a_whole_view_is_the_squashed_picture(noisy):
    picture = np.array(noisy(1, (64, 32)))
    settings = dataclasses.replace(QUIET, whole=1.0)
    found = Views(Atlas([picture], CPU), settings, SIZE).draw(4, chance())
    squashed = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    squashed = torch.nn.functional.interpolate(squashed, size=(SIZE, SIZE), mode="bilinear", antialias=True)
    for view in found:  # flipped or not
        assert min((view - squashed).abs().mean(), (view.flip(2) - squashed).abs().mean()) < 0.05


def test_crops_reach_from_a_hundredth_of_the_area_to_all_of_it(atlas):
    matrices = Views(atlas, QUIET, SIZE)._matrices(2000, torch.ones(2000), chance())
    area = 4 * (matrices[:, :, :2].det()).abs()
    assert area.min() < 0.02
    assert area.max() == pytest.approx(1)
    corners = torch.tensor([[-1.0, -1, 1], [1, 1, 1], [-1, 1, 1], [1, -1, 1]])
    reached = matrices @ corners.T
    assert reached.min() >= -1e-5 and reached.max() <= 1 + 1e-5  # nothing is turned here: no window leaves its picture


def test_a_turned_window_is_not_sheared(atlas):
    settings = dataclasses.replace(QUIET, turned=1.0, aspect=(1, 1), whole=0)
    aspects = torch.full((100,), 2.0)
    matrices = Views(atlas, settings, SIZE)._matrices(100, aspects, chance())
    pixels = matrices[:, :, :2] * torch.tensor([2.0, 1.0]).view(2, 1)  # in units of the height on both axes
    assert (pixels[:, :, 0] * pixels[:, :, 1]).sum(dim=1).abs().max() < 1e-5  # still at right angles


@pytest.mark.parametrize("edit", edits.EDITS, ids=lambda edit: edit.__name__)
def test_each_edit_changes_an_image_but_leaves_it_one(images, edit):
    before = images.clone()
    edited = edit(images, chance())
    assert_image(edited, len(images))
    assert torch.equal(images, before)
    assert (edited - images).abs().mean(dim=(1, 2, 3)).min() > 1e-3


def test_edits_are_all_used_and_each_image_is_edited(images):
    edited = edits.edit(images, chance())
    assert_image(edited, len(images))
    assert (edited - images).abs().mean(dim=(1, 2, 3)).min() > 1e-3
    assert edits.edit(images[:0], chance()).shape == (0, 3, SIZE, SIZE)


def test_an_edit_is_nearer_to_its_own_image_than_to_others(images):
    shades = edits.lighter_or_darker(images, chance()), edits.recompressed(images, chance())
    for edited in shades:
        own = (edited - images).flatten(1).norm(dim=1)
        other = (edited - images.roll(1, 0)).flatten(1).norm(dim=1)
        assert (own < other).float().mean() > 0.9


def test_cropping_leaves_at_most_nine_tenths():
    ramp = torch.linspace(0, 1, SIZE).expand(200, 3, SIZE, SIZE)
    cut = edits.cropped(ramp, chance())
    kept = (cut[:, 0, 0, -1] - cut[:, 0, 0, 0]).clamp(0, 1)
    assert kept.min() > 0.7 and kept.max() <= 1


def test_textures_are_images_of_many_kinds():
    drawn = textures.draw(chance(), 32, SIZE)
    assert_image(drawn, 32)
    assert torch.pdist(drawn.flatten(1)).min() > 0.1
    assert drawn.flatten(2).std(dim=2).mean() > 0.05


def test_mosaics_are_made_of_their_batch():
    flat = torch.linspace(0.1, 0.9, 9).view(9, 1, 1, 1).expand(9, 3, SIZE, SIZE).contiguous()
    made = mixes.mosaics(flat, torch.arange(9), chance())
    assert_image(made, 9)
    assert all(3 <= len(mosaic.unique()) <= 10 for mosaic in made.round(decimals=3))


def test_a_patch_covers_a_part():
    flat = torch.linspace(0, 1, 20).view(20, 1, 1, 1).expand(20, 3, SIZE, SIZE).contiguous()
    made = mixes.patched(flat, torch.arange(20), chance())
    own = (made == flat).float().mean(dim=(1, 2, 3))
    assert 0.2 < own.mean() < 0.99
    assert all(len(image.unique()) <= 2 for image in made)


def test_colours_stay_within_range_and_no_strength_is_no_change(images):
    torch.testing.assert_close(colour.jitter(images, chance(), 0.0), images, atol=1e-4, rtol=0)
    assert_image(colour.jitter(images, chance(), 1.0), len(images))
    assert_image(colour.gamma(images, chance(), (0.5, 2.0)), len(images))
    assert colour.grey(images).std(dim=1).max() < 1e-6


def test_turning_the_hue_keeps_grey_grey():
    grey = torch.rand((5, 1, 8, 8), generator=torch.Generator().manual_seed(1)).expand(5, 3, 8, 8)
    turned = colour._hue(torch.linspace(-3, 3, 5)) @ grey.flatten(2)
    torch.testing.assert_close(turned.view_as(grey), grey, atol=1e-5, rtol=0)


def test_blur_and_lost_resolution_take_detail_away(images):
    detail = images.diff(dim=3).abs().mean()
    assert degrade.blur(images, chance(), (1.5, 2.0)).diff(dim=3).abs().mean() < 0.7 * detail
    assert degrade.lower_resolution(images, 4.0).diff(dim=3).abs().mean() < 0.7 * detail
    assert degrade.noise(images, chance(), (0.1, 0.12)).diff(dim=3).abs().mean() > detail
