import dataclasses

import numpy as np
import pytest
import torch
from views import CPU, QUIET, SIZE, assert_image, chance

from retrieval.training.atlas import Atlas
from retrieval.training.views import Views, ViewSettings


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
