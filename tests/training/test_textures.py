import torch
from views import SIZE, assert_image, chance

from retrieval.training import textures


def test_textures_are_images_of_many_kinds():
    drawn = textures.draw(chance(), 32, SIZE)
    assert_image(drawn, 32)
    assert torch.pdist(drawn.flatten(1)).min() > 0.1
    assert drawn.flatten(2).std(dim=2).mean() > 0.05


def test_the_same_numbers_draw_the_same_textures():
    assert torch.equal(textures.draw(chance(1, 2), 4, SIZE), textures.draw(chance(1, 2), 4, SIZE))
    assert not torch.equal(textures.draw(chance(1, 2), 4, SIZE), textures.draw(chance(1, 3), 4, SIZE))
