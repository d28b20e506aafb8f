import torch
from views import SIZE, assert_image, chance

from retrieval.training import colour


def test_colours_stay_within_range_and_no_strength_is_no_change(images):
    torch.testing.assert_close(colour.jitter(images, chance(), 0.0), images, atol=1e-4, rtol=0)
    assert_image(colour.jitter(images, chance(), 1.0), len(images))
    assert_image(colour.gamma(images, chance(), (0.5, 2.0)), len(images))
    assert colour.grey(images).std(dim=1).max() < 1e-6


def test_turning_the_hue_keeps_grey_grey():
    grey = torch.rand((5, 1, 8, 8), generator=torch.Generator().manual_seed(1)).expand(5, 3, 8, 8)
    turned = colour._hue(torch.linspace(-3, 3, 5)) @ grey.flatten(2)
    torch.testing.assert_close(turned.view_as(grey), grey, atol=1e-5, rtol=0)


def test_luminance_is_that_of_pillow(images):
    from PIL import Image

    pixels = (images[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    expected = torch.tensor(list(Image.fromarray(pixels).convert("L").tobytes())).view(SIZE, SIZE)
    found = colour.luminance(torch.from_numpy(pixels).permute(2, 0, 1)[None].float())[0, 0]
    assert (found - expected).abs().max() <= 1


def test_solarising_turns_bright_tones_over_and_no_others():
    ramp = torch.linspace(0, 1, SIZE).expand(1, 3, SIZE, SIZE)
    found = colour.invert_some_tones(ramp, chance(), (0.5, 0.5))
    assert torch.equal(found, torch.where(ramp > 0.5, 1 - ramp, ramp))


def test_gamma_leaves_black_and_white_and_keeps_the_order_of_tones():
    ramp = torch.linspace(0, 1, SIZE).expand(4, 3, SIZE, SIZE)
    found = colour.gamma(ramp, chance(), (0.5, 2.0))
    assert found[..., 0].max() < 0.02 and found[..., -1].min() == 1
    assert (found.diff(dim=3) >= 0).all()
