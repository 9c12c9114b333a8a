#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write pillow.tsv: what Pillow makes of made-up pictures, for test/unit/media/preprocess.c.

    pip install numpy Pillow
    python3 make.py

The test makes the same pictures by the same formula, so only the results are kept. Sizes and
offsets follow the rules of torchvision (Resize, CenterCrop), YOLOX and Ultralytics.
"""

from pathlib import Path

import numpy as np
from PIL import Image

FILL = 114


def picture(width, height, channels):
    y, x, k = np.mgrid[:height, :width, :channels]
    pixels = (x * 7 + y * 11 + k * 67 + (x * y) // 3 + ((x // 5 + y // 3) % 2) * 90) % 256
    pixels = pixels.astype(np.uint8)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


def resized(image, size):
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR).convert("RGB"))


def shorter(image, side, crop_width, crop_height):
    width, height = image.size
    if width <= height:
        size = side, int(side * height / width)
    else:
        size = int(side * width / height), side
    pixels = resized(image, size)
    if not crop_width:
        return pixels
    more_x, more_y = max(crop_width - size[0], 0), max(crop_height - size[1], 0)
    pads = (more_y // 2, (more_y + 1) // 2), (more_x // 2, (more_x + 1) // 2), (0, 0)
    pixels = np.pad(pixels, pads, constant_values=FILL)
    top = int(round((pixels.shape[0] - crop_height) / 2.0))
    left = int(round((pixels.shape[1] - crop_width) / 2.0))
    return pixels[top : top + crop_height, left : left + crop_width]


def letterbox(image, width, height, center):
    scale = min(width / image.size[0], height / image.size[1])
    fit = [side * scale for side in image.size]
    size = [max(1, int(round(side) if center else int(side))) for side in fit]
    out = np.full((height, width, 3), FILL, np.uint8)
    left = round((width - size[0]) / 2 - 0.1) if center else 0
    top = round((height - size[1]) / 2 - 0.1) if center else 0
    out[top : top + size[1], left : left + size[0]] = resized(image, size)
    return out


def stretch(image, width, height):
    return resized(image, (width, height))


CASES = [  # function, picture's width, height and channels, arguments
    (shorter, 37, 23, 3, (16, 14, 14)),
    (shorter, 37, 23, 1, (16, 14, 14)),
    (shorter, 23, 37, 3, (16, 13, 11)),
    (shorter, 64, 48, 3, (16, 15, 15)),
    (shorter, 200, 120, 3, (12, 11, 10)),
    (shorter, 20, 20, 3, (20, 14, 14)),
    (shorter, 11, 9, 3, (20, 17, 17)),
    (shorter, 12, 10, 3, (8, 16, 13)),
    (shorter, 12, 40, 3, (8, 13, 9)),
    (shorter, 31, 17, 3, (10, 0, 0)),
    (shorter, 3, 50, 3, (2, 0, 0)),
    (shorter, 1, 1, 3, (5, 4, 4)),
    (letterbox, 37, 23, 3, (16, 16, 0)),
    (letterbox, 37, 23, 3, (16, 16, 1)),
    (letterbox, 23, 37, 3, (16, 16, 1)),
    (letterbox, 23, 37, 1, (20, 12, 0)),
    (letterbox, 9, 6, 3, (24, 20, 1)),
    (letterbox, 160, 1, 3, (16, 16, 0)),
    (stretch, 37, 23, 3, (12, 18, 0)),
    (stretch, 5, 4, 3, (13, 17, 0)),
    (stretch, 16, 16, 3, (16, 16, 0)),
    (stretch, 300, 2, 3, (7, 7, 0)),
]


def main():
    lines = ["# mode\tpicture: width, height, channels\tthree arguments\tmade: width, height, RGB in hex"]
    for how, width, height, channels, arguments in CASES:
        used = arguments if how is not stretch else arguments[:2]
        out = how(picture(width, height, channels), *used)
        fields = [how.__name__, width, height, channels, *arguments, out.shape[1], out.shape[0]]
        lines.append("\t".join(map(str, fields)) + "\t" + out.tobytes().hex())
    path = Path(__file__).parent / "pillow.tsv"
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
