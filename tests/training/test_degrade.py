import torch
from views import SIZE, chance

from retrieval.training import degrade


def test_blur_and_lost_resolution_take_detail_away(images):
    detail = images.diff(dim=3).abs().mean()
    assert degrade.blur(images, chance(), (1.5, 2.0)).diff(dim=3).abs().mean() < 0.7 * detail
    assert degrade.lower_resolution(images, 4.0).diff(dim=3).abs().mean() < 0.7 * detail
    assert degrade.noise(images, chance(), (0.1, 0.12)).diff(dim=3).abs().mean() > detail


def test_blur_keeps_flat_pictures_and_their_brightness(images):
    flat = torch.full((2, 3, SIZE, SIZE), 0.3)
    torch.testing.assert_close(degrade.blur(flat, chance(), (0.5, 2.0)), flat, atol=1e-5, rtol=0)
    blurred = degrade.blur(images, chance(), (0.5, 2.0))
    assert (blurred.mean(dim=(2, 3)) - images.mean(dim=(2, 3))).abs().max() < 0.03


def test_a_resolution_that_is_not_lowered_is_kept(images):
    torch.testing.assert_close(degrade.lower_resolution(images, 1.0), images, atol=1e-5, rtol=0)
