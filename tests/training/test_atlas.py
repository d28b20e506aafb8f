import numpy as np
import pytest
import torch

from retrieval.training.atlas import Atlas

WHOLE = torch.tensor([[0.5, 0, 0.5], [0, 0.5, 0.5]])  # from a window's -1..1 to a picture's 0..1


def random_picture(seed, height, width):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def as_window(picture):
    return torch.from_numpy(picture).permute(2, 0, 1) / 255


def window(atlas, which, matrix, size):
    return atlas.windows(torch.tensor([which]), matrix.unsqueeze(0), size)[0]


def test_a_window_on_a_whole_picture_is_that_picture():
    pictures = [random_picture(seed, 24, 24) for seed in range(3)]
    atlas = Atlas(pictures, torch.device("cpu"))
    for which, picture in enumerate(pictures):
        torch.testing.assert_close(window(atlas, which, WHOLE, 24), as_window(picture), atol=1e-5, rtol=0)


def test_pictures_keep_their_sizes():
    atlas = Atlas([random_picture(1, 16, 48), random_picture(2, 64, 16)], torch.device("cpu"))
    assert len(atlas) == 2
    torch.testing.assert_close(atlas.aspects, torch.tensor([3.0, 0.25]))


def test_a_window_on_a_quarter_shows_that_quarter():
    picture = random_picture(3, 32, 32)
    quarter = torch.tensor([[0.25, 0, 0.75], [0, 0.25, 0.25]])  # right, top
    found = window(Atlas([picture], torch.device("cpu")), 0, quarter, 16)
    torch.testing.assert_close(found, as_window(picture[:16, 16:]), atol=1e-5, rtol=0)


def test_a_turned_and_flipped_window():
    picture = random_picture(4, 24, 24)
    atlas = Atlas([picture], torch.device("cpu"))
    mirrored = torch.tensor([[-0.5, 0, 0.5], [0, 0.5, 0.5]])
    transposed = torch.tensor([[0, 0.5, 0.5], [0.5, 0, 0.5]])
    torch.testing.assert_close(window(atlas, 0, mirrored, 24), as_window(picture[:, ::-1].copy()), atol=1e-5, rtol=0)
    swapped = picture.transpose(1, 0, 2).copy()
    torch.testing.assert_close(window(atlas, 0, transposed, 24), as_window(swapped), atol=1e-5, rtol=0)


def test_outside_a_picture_is_its_mirror_image():
    picture = random_picture(5, 16, 16)
    beyond = torch.tensor([[0.5, 0, 1.5], [0, 0.5, 0.5]])  # one width to the right
    found = window(Atlas([picture], torch.device("cpu")), 0, beyond, 16)
    torch.testing.assert_close(found, as_window(picture[:, ::-1].copy()), atol=1e-5, rtol=0)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_small_window_averages_what_it_cannot_show(factor):
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[::2, ::2] = picture[1::2, 1::2] = 255
    found = window(Atlas([picture], torch.device("cpu")), 0, WHOLE, 256 // factor)
    assert found.std() < 0.01
    assert found.mean() == pytest.approx(0.5, abs=0.01)
