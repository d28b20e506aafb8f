import pytest

from retrieval.archive import suffixes


def test_suffixes_are_lower_case_with_a_dot() -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes.PHOTO_SUFFIXES)
    assert suffixes.RAW_SUFFIXES < suffixes.PHOTO_SUFFIXES


@pytest.mark.parametrize(
    "suffix", [".jpg", ".heic", ".avif", ".dng", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf", ".jxl", ".svg"]
)
def test_photographers_formats_are_listed(suffix: str) -> None:
    assert suffix in suffixes.PHOTO_SUFFIXES


@pytest.mark.parametrize("suffix", [".xmp", ".mp4", ".mov", ".txt", ".pdf", ".aae", ".thm", ""])
def test_sidecars_videos_and_documents_are_not(suffix: str) -> None:
    assert suffix not in suffixes.PHOTO_SUFFIXES


@pytest.mark.shared
def test_every_hard_file_is_listed(shared) -> None:
    found = {path.suffix.lower() for path in (shared / "hard").rglob("*") if path.is_file()}
    assert found
    assert found <= suffixes.PHOTO_SUFFIXES
