#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From JPEG to ImageNet's tensor: Rouse's decoder against Pillow, both on one thread, in one run.

    pip install numpy Pillow [torchvision]
    ninja -C build bench/bench_decode && python3 bench/decode.py [--json] [--build DIR] [PICTURE…]

The reference is Pillow + torchvision (Resize, CenterCrop, ToTensor, Normalize). Without torchvision
its transforms are stood in for by what they call: Pillow's resize and crop, then numpy. The pictures
are made here, noise with the spectrum of a photo, unless some are named. Rounds alternate, and what
counts is processor time, so that whatever else the machine does hits both alike. Writes nothing but
to a temporary folder.
"""

import argparse
import importlib.util
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ALTERNATIONS = 7
CASES = (  # name, width, height, sharpness, rounds of one turn, times faster that we aim at
    ("12 megapixels", 4000, 3000, 0.3, 3, 4.0),
    ("12 megapixels, very sharp", 4000, 3000, 10, 3, 4.0),
    ("640x480", 640, 480, 10, 40, 2.0),
)


def reference_with_torchvision():
    import torch
    from PIL import Image
    from torchvision import transforms

    torch.set_num_threads(1)
    chain = transforms.Compose([
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ])

    def run(data):
        return chain(Image.open(io.BytesIO(data)).convert("RGB")).numpy()

    return "Pillow + torchvision", run


def reference_with_numpy():
    import numpy as np
    from PIL import Image

    scale = (1 / (255 * np.array(STD, np.float32))).reshape(3, 1, 1)
    shift = (np.array(MEAN, np.float32) / np.array(STD, np.float32)).reshape(3, 1, 1)

    def run(data):
        image = Image.open(io.BytesIO(data)).convert("RGB")
        width, height = image.size
        if width < height:
            size = 256, int(256 * height / width)
        else:
            size = int(256 * width / height), 256
        image = image.resize(size, Image.Resampling.BILINEAR)
        left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
        image = image.crop((left, top, left + 224, top + 224))
        return np.asarray(image).transpose(2, 0, 1).astype(np.float32) * scale - shift

    return "Pillow + numpy (no torchvision here)", run


def make_picture(width, height, sharpness):
    """A JPEG of coloured noise whose amplitude falls with frequency, as that of photos does.

    `sharpness` is the lens's: the frequency, in cycles a pixel, of which it passes 1/e. 0.3 gives
    2 bits a pixel at quality 90, about what a phone writes.
    """
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(12)
    across = np.fft.rfftfreq(width)[None, :]
    down = np.fft.fftfreq(height)[:, None]
    frequency = np.hypot(across, down)
    fall = 1 / np.maximum(frequency, 1 / max(width, height)) ** 1.2
    fall *= np.exp(-((frequency / sharpness) ** 2))
    gray = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) * fall, (height, width))
    planes = [gray]
    for _ in range(2):
        tint = np.fft.rfft2(rng.standard_normal((height, width))) * fall
        planes.append(gray + 0.3 * np.fft.irfft2(tint, (height, width)))
    pixels = np.stack([128 + 50 * (plane - plane.mean()) / plane.std() for plane in planes], 2)
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def median_us(run, data, rounds):
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run(data)
        times.append((time.process_time() - start) * 1e6)
    return statistics.median(times)


def compare(program, reference, data, rounds, folder):
    import numpy as np

    picture, tensor = folder / "picture", folder / "tensor"
    picture.write_bytes(data)
    ours, decoding, theirs = [], [], []
    for _ in range(ALTERNATIONS):
        theirs.append(median_us(reference, data, rounds))
        done = subprocess.run([program, picture, str(rounds * 3), tensor], check=True,
                              capture_output=True, text=True)
        whole, part = map(int, done.stdout.split())
        ours.append(whole)
        decoding.append(part)
    difference = np.abs(np.fromfile(tensor, np.float32).reshape(3, 224, 224) - reference(data))
    return {
        "rouse_us": statistics.median(ours),
        "rouse_decode_us": statistics.median(decoding),
        "reference_us": statistics.median(theirs),
        "ratio": statistics.median(theirs) / statistics.median(ours),
        "mean_difference": float(difference.mean()),
        "largest_difference": float(difference.max()),
        "jpeg_bytes": len(data),
    }


def pictures(paths):
    from PIL import Image

    for path in paths:
        data = path.read_bytes()
        width, height = Image.open(io.BytesIO(data)).size
        small = width * height < 2_000_000
        yield f"{path.name} ({width}x{height})", data, 40 if small else 3, 2.0 if small else 4.0
    if not paths:
        for name, width, height, sharpness, rounds, aim in CASES:
            yield name, make_picture(width, height, sharpness), rounds, aim


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--build", type=Path, default=Path(__file__).resolve().parent.parent / "build")
    parser.add_argument("pictures", nargs="*", type=Path)
    options = parser.parse_args()
    program = options.build / "bench" / "bench_decode"
    missing = [name for name in ("PIL", "numpy") if importlib.util.find_spec(name) is None]
    if missing or not program.exists():
        print(f"decode: skipped, there is no {' and no '.join(missing) or program}")
        return 0
    if importlib.util.find_spec("torchvision"):
        name, reference = reference_with_torchvision()
    else:
        name, reference = reference_with_numpy()

    results = []
    with tempfile.TemporaryDirectory() as folder:
        for case, data, rounds, aim in pictures(options.pictures):
            row = compare(program, reference, data, rounds, Path(folder))
            results.append({"case": case, "reference": name, "aim": aim, **row})
    if options.json:
        json.dump(results, sys.stdout, indent=2)
        print()
        return 0
    for row in results:
        met = "met" if row["ratio"] >= row["aim"] else "NOT met"
        print(f"{row['case']} JPEG ({row['jpeg_bytes'] / 1e6:.1f} MB) to tensor: "
              f"{row['rouse_us'] / 1e3:.2f} ms (decoding {row['rouse_decode_us'] / 1e3:.2f}), "
              f"{row['reference']} {row['reference_us'] / 1e3:.2f} ms: {row['ratio']:.1f} times faster, "
              f"aim {row['aim']:g}: {met}; mean difference {row['mean_difference']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
