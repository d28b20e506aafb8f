"""Looks at two photos anew, for a keeper that a person chose: the plan's reasons are not about that pair."""

from pathlib import Path

from retrieval.errors import PhotoError


def why_different(keeper: Path, member: Path) -> str | None:
    """Say why two photos are not known to be one picture; None where they are."""
    from retrieval.archive.content import read_file
    from retrieval.decode.photo import decode
    from retrieval.dedupe.alike.compare import LARGE_SIDE, same_picture  # OpenCV, which most plans do without

    try:
        pictures = [
            decode(read_file(path).data, name=path.name, at_least=(LARGE_SIDE, LARGE_SIDE)).image
            for path in (keeper, member)
        ]
    except PhotoError as error:
        return f"one of them {error.reason}"
    return None if same_picture(*pictures) else "their pixels do not agree"
