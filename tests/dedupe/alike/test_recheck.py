from photos import photo

from retrieval.dedupe.alike.recheck import why_different


def test_the_same_picture_in_another_size(tmp_path):
    large = photo(tmp_path / "large.jpg", 1, (900, 600))
    assert why_different(large, photo(tmp_path / "small.png", 1, (600, 400))) is None


def test_other_pictures_and_broken_files(tmp_path):
    one = photo(tmp_path / "one.jpg", 1, (900, 600))
    assert why_different(one, photo(tmp_path / "two.jpg", 2, (900, 600))) == "their pixels do not agree"
    (tmp_path / "broken.jpg").write_bytes(one.read_bytes()[:500])
    assert "one of them" in str(why_different(one, tmp_path / "broken.jpg"))
    assert "cannot be read" in str(why_different(one, tmp_path / "missing.jpg"))
