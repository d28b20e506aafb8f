"""Which file names are photos, by their suffix, in lower case with the dot."""

RAW_SUFFIXES = frozenset(
    (
        ".3fr", ".ari", ".arq", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dc2", ".dcr", ".dcs",
        ".dng", ".drf", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kc2", ".kdc", ".mdc", ".mef", ".mos",
        ".mrw", ".nef", ".nrw", ".orf", ".ori", ".pef", ".ptx", ".raf", ".raw", ".rw2", ".rwl", ".rwz",
        ".sr2", ".srf", ".srw", ".sti", ".x3f",
    )
)  # fmt: skip
_PICTURE_SUFFIXES = frozenset(
    (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".jps", ".mpo", ".insp", ".png", ".apng", ".tif",
        ".tiff", ".webp", ".gif", ".bmp", ".dib", ".heic", ".heics", ".heif", ".heifs", ".hif", ".avif",
        ".avifs", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jpm", ".psd", ".tga", ".icb", ".vda",
        ".vst", ".dds", ".ico", ".pbm", ".pgm", ".pnm", ".ppm", ".pfm", ".pcx", ".sgi", ".rgb", ".rgba",
        ".bw", ".qoi",
    )
)  # fmt: skip
# Listed although nothing here decodes them: in an archive they must turn up as failures with their reason.
_UNSUPPORTED_SUFFIXES = frozenset(
    (
        ".jxl", ".jxr", ".wdp", ".hdp", ".exr", ".hdr", ".psb", ".xcf", ".bpg", ".fit", ".fits", ".fts",
        ".xisf", ".svg", ".svgz", ".eps",
    )
)  # fmt: skip
PHOTO_SUFFIXES = _PICTURE_SUFFIXES | RAW_SUFFIXES | _UNSUPPORTED_SUFFIXES
