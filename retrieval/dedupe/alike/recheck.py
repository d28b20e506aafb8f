"""Looks at two photos anew, for a keeper that a person chose: the plan's reasons are not about that pair."""

from pathlib import Path

from retrieval.errors import PhotoError


def why_different(keeper: Path, member: Path) -> str | None:
    """Say what would be lost if the member went and the keeper stayed; None where the keeper shows all of it."""
    from retrieval.dedupe.alike.compare import compare_files  # OpenCV, which most plans do without
    from retrieval.dedupe.alike.photo_file import PhotoFile

    try:
        verdict = compare_files(PhotoFile.read(keeper), PhotoFile.read(member))
    except PhotoError as error:
        return f"one of them {error.reason}"
    if verdict is None:
        return "their pixels do not agree"
    if verdict.kind not in ("same-pixels", "near"):
        return verdict.reason
    return f"{keeper.name} lacks {verdict.first_lacks}" if verdict.first_lacks else None
