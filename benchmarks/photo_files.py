"""A folder of small photo-like JPEG files in folders of ten classes; and reading them plainly.

python photo_files.py FOLDER decodes all of them one by one with Pillow, as in any loop.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32
CLASSES = 10
_COARSE = 6
_GRAIN = 12
_QUALITY = 90


def write_photos(folder: Path, count: int) -> None:
    """Write `count` images: soft colours with some grain, which JPEG cannot do without."""
    generator = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"class{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        soft = generator.integers(0, 256, (_COARSE, _COARSE, 3), dtype=np.uint8)
        image = Image.fromarray(soft).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        grain = generator.integers(-_GRAIN, _GRAIN + 1, (SIDE, SIDE, 1))
        pixels = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{number:05}.jpg", quality=_QUALITY)


def read_plainly(folder: Path) -> int:
    """Decode every image of a folder, one after the other; how many there were comes back."""
    count = 0
    for file in sorted(folder.glob("*/*.jpg")):
        np.asarray(Image.open(file).convert("RGB"))
        count += 1
    return count


if __name__ == "__main__":
    print(read_plainly(Path(sys.argv[1])))
