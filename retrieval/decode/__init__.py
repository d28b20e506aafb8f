"""A photo file to upright RGB pixels, EXIF facts and a small preview: the only package that opens a photo."""
