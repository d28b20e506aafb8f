"""What would be lost if one file went and another were kept, by what the two hold; pixels are compared elsewhere."""

from retrieval.decode.holdings.record import Holdings


def lacks(keeper: Holdings, member: Holdings) -> tuple[str, ...]:
    """What the member holds that the keeper does not, in words for a person; empty where nothing would be lost.

    For example: "2 pages", "16 bits of depth", "transparency", "wide-gamut colours", "a video". Whether a file is grey,
    lossy or small says nothing about its pixels, so that is left to whoever compares them. Ask with
    `may_be_transparent` set to what `is_transparent` says: alpha channels are often unused.
    """
    return (
        *_pages(keeper, member),
        *(("the RAW data",) if member.is_raw and not keeper.is_raw else ()),
        *_depth(keeper, member),
        *(("transparency",) if member.may_be_transparent and not keeper.may_be_transparent else ()),
        *_colours(keeper, member),
        *sorted(member.extras - keeper.extras),
        *(("the undamaged picture",) if keeper.damage and not member.damage else ()),
    )


def _pages(keeper: Holdings, member: Holdings) -> tuple[str, ...]:
    missing = member.pages - keeper.pages
    if missing <= 0:
        return ("the animation",) if member.is_animated and not keeper.is_animated and member.pages > 1 else ()
    word = "frame" if member.is_animated else "page"
    return (f"{missing} {word}{'s' if missing > 1 else ''}",)


def _depth(keeper: Holdings, member: Holdings) -> tuple[str, ...]:
    """A RAW keeps all that its sensor saw, in whatever number of bits."""
    if keeper.is_raw or member.is_raw or member.bits <= max(keeper.bits, 8):
        return ()
    return (f"{member.bits} bits of depth",)


def _colours(keeper: Holdings, member: Holdings) -> tuple[str, ...]:
    if keeper.is_raw or member.is_raw or member.colours.name == keeper.colours.name:
        return ()
    if member.colours.name == "CMYK":
        return ("CMYK colours",)
    return ("wide-gamut colours",) if member.colours.is_wide and not keeper.colours.is_wide else ()
