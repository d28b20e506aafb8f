import pytest
import torch
from views import SIZE, assert_image, chance

from retrieval.training import edits


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


def test_turning_and_mirroring_move_every_pixel_and_change_none(images):
    assert torch.equal(edits.mirrored(edits.mirrored(images, chance()), chance()), images)
    turned = edits.turned(images, chance())
    assert any(torch.equal(turned, images.rot90(times, (2, 3))) for times in (1, 2, 3))


def test_a_frame_leaves_the_middle_alone(images):
    framed = edits.framed(images, chance())
    middle = slice(SIZE // 4, -SIZE // 4)
    assert torch.equal(framed[:, :, middle, middle], images[:, :, middle, middle])
    assert framed[:, :, 0].std(dim=2).max() == 0  # one colour along the edge
