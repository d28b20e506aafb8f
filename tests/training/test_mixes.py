import torch
from views import SIZE, assert_image, chance

from retrieval.training import mixes


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


def test_a_double_exposure_is_between_its_two_images():
    flat = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, SIZE, SIZE).contiguous()
    dark, light = mixes.double_exposures(flat, torch.arange(2), chance())
    assert 0.1 <= dark.mean() <= 0.5 <= light.mean() <= 0.9


def test_an_inset_shows_its_image_on_another():
    flat = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, SIZE, SIZE).contiguous()
    made = mixes.insets(flat, torch.tensor([1]), chance())
    assert_image(made, 1)
    assert 0.02 < made.mean() < 0.75  # at most 0.85 x 0.85 of it is the inset
    assert made.min() == 0


def test_the_batch_itself_is_left_alone(images):
    before = images.clone()
    for mix in (mixes.mosaics, mixes.patched, mixes.double_exposures, mixes.insets):
        assert_image(mix(images, torch.arange(5), chance()), 5)
    assert torch.equal(images, before)
