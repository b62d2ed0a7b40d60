"""Makes decode/want/shrink-*.png, what Pillow makes of some files of decode/ when asked to resize them.

The Go tests read the files; nobody needs this script to build, run or test goclr. It needs Pillow, and was last run with 13.0:

    python stages/testdata/shrink.py
"""

import pathlib

from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent / "decode"

for file, name, size in [
    ("large.jpg", "64", (64, 48)),
    ("large.jpg", "100", (100, 75)),
    ("orientation6.jpg", "upright", (14, 20)),
    ("alpha.png", "alpha", (20, 14)),
]:
    im = ImageOps.exif_transpose(Image.open(HERE / file))
    if im.mode == "RGBA":
        im = Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")
    im.resize(size, Image.LANCZOS).save(HERE / "want" / f"shrink-{name}.png", optimize=True)
