#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the corpus of good, odd and poisoned pictures into images/, with its MANIFEST.tsv.

    pip install numpy Pillow
    python3 make_images.py [FOLDER]

The files are committed, so that a test needs neither Python nor these packages. Every good picture
shows the same scene: a 64x48 sheet with a red, a green, a blue and a white quarter (top left, top
right, bottom left, bottom right; a black dot in the middle of the red one), so a decoder's answer
can be checked in four places, and a picture that was turned the wrong way is seen at once.
"""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 64, 48
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (30, 40, 220), (255, 255, 255)


class Corpus:
    def __init__(self, folder):
        self.folder = folder
        self.rows = []
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()

    def good(self, name, data, size=(WIDTH, HEIGHT), note=""):
        """A picture that decodes to `size` pixels once its EXIF orientation is applied."""
        self.add(name, "good", data, size, note)

    def bad(self, name, data, note):
        """Bytes that a decoder must refuse with a reason, without harm."""
        self.add(name, "bad", data, ("-", "-"), note)

    def add(self, name, kind, data, size, note):
        (self.folder / name).write_bytes(data)
        self.rows.append((name, kind, str(size[0]), str(size[1]), note))

    def save(self):
        lines = [
            "# file\tgood or bad\twidth\theight\tnote (sizes are those after the EXIF rotation)"
        ]
        lines += ["\t".join(row) for row in sorted(self.rows)]
        (self.folder / "MANIFEST.tsv").write_text("\n".join(lines) + "\n")


# ---- building blocks -----------------------------------------------------------------------------


def scene(width=WIDTH, height=HEIGHT):
    pixels = np.zeros((height, width, 3), np.uint8)
    half_h, half_w = height // 2, width // 2
    pixels[:half_h, :half_w] = RED
    pixels[:half_h, half_w:] = GREEN
    pixels[half_h:, :half_w] = BLUE
    pixels[half_h:, half_w:] = WHITE
    pixels[half_h // 2 - 2 : half_h // 2 + 2, half_w // 2 - 2 : half_w // 2 + 2] = 0
    return Image.fromarray(pixels)


def noise(width, height):
    """Pixels that compress badly: long enough to be cut and damaged in interesting places."""
    rng = np.random.default_rng(7)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation, order="II"):
    """A minimal EXIF block: one directory with one entry, the orientation."""
    mark = "<" if order == "II" else ">"
    head = order.encode() + struct.pack(mark + "HI", 42, 8)
    entry = struct.pack(mark + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + head + struct.pack(mark + "H", 1) + entry + struct.pack(mark + "I", 0)


def with_app1(jpeg, payload, length=None):
    """Insert an APP1 segment after SOI; `length` lies about its size."""
    size = len(payload) + 2 if length is None else length
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", size) + payload + jpeg[2:]


def png_chunk(kind, data, crc=None):
    value = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", value)


def png(width, height, depth, colour, rows, interlace=0, extra=b""):
    """A PNG from already filtered rows (bytes)."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + extra
        + png_chunk(b"IDAT", zlib.compress(rows, 9))
        + png_chunk(b"IEND", b"")
    )


def filtered(pixels):
    """Rows of an array [H,W,C], each with filter type 0 in front."""
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def adam7(pixels):
    """The seven passes of an interlaced PNG, filter type 0."""
    starts = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    return b"".join(filtered(pixels[y::dy, x::dx]) for x, y, dx, dy in starts)


def replaced(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def segment(jpeg, marker):
    """Where the segment with this marker byte starts."""
    at = 2
    while jpeg[at] == 0xFF:
        if jpeg[at + 1] == marker:
            return at
        at += 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    raise ValueError(f"no marker {marker:#x}")


# ---- good pictures -------------------------------------------------------------------------------


def good_jpegs(corpus):
    image = scene()
    base = encoded(image, "JPEG", quality=92, subsampling=0)
    corpus.good("baseline.jpg", base, note="4:4:4")
    corpus.good("subsampled.jpg", encoded(image, "JPEG", quality=92, subsampling=2), note="4:2:0")
    corpus.good(
        "progressive.jpg", encoded(image, "JPEG", quality=92, progressive=True, subsampling=0)
    )
    corpus.good("grey.jpg", encoded(image.convert("L"), "JPEG", quality=92))
    restarts = encoded(image, "JPEG", quality=92, subsampling=0, restart_marker_blocks=4)
    corpus.good("restarts.jpg", restarts, note="restart markers")
    cmyk = encoded(image.convert("CMYK"), "JPEG", quality=92)
    assert b"Adobe" in cmyk
    corpus.good("cmyk-adobe.jpg", cmyk, note="Adobe marker: values are stored inverted")
    corpus.good("one-pixel.jpg", encoded(image.crop((0, 0, 1, 1)), "JPEG"), (1, 1))
    corpus.good(
        "odd-size.jpg", encoded(scene(37, 23), "JPEG", quality=92), (37, 23), "no multiple of 8"
    )
    corpus.good("thin.jpg", encoded(scene(640, 4), "JPEG", quality=85), (640, 4), "160 to 1")
    corpus.good(
        "trailing-bytes.jpg", base + b"tail" * 16, note="bytes behind EOI are nobody's business"
    )
    corpus.good(
        "noise.jpg",
        encoded(noise(64, 48), "JPEG", quality=70),
        note="the mother of the damaged ones",
    )


def good_orientations(corpus):
    """The pixels are stored turned, the tag says how: each decodes to the same upright scene."""
    turn = Image.Transpose
    stored = {
        1: None,
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_90,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_270,
    }
    for value, how in stored.items():
        image = scene() if how is None else scene().transpose(how)
        data = with_app1(encoded(image, "JPEG", quality=92, subsampling=0), exif(value))
        corpus.good(f"exif-{value}.jpg", data, note=f"EXIF orientation {value}, little endian")
    turned = encoded(scene().transpose(turn.ROTATE_90), "JPEG", quality=92, subsampling=0)
    corpus.good(
        "exif-6-big-endian.jpg", with_app1(turned, exif(6, "MM")), note="EXIF in big endian"
    )


def good_pngs(corpus):
    image = scene()
    pixels = np.asarray(image)
    corpus.good("rgb8.png", encoded(image, "PNG"))
    corpus.good("grey8.png", encoded(image.convert("L"), "PNG"))
    corpus.good(
        "grey1.png", encoded(image.convert("1", dither=Image.Dither.NONE), "PNG"), note="1 bit"
    )
    wide = (pixels.astype(np.uint16) * 257).astype(">u2")
    corpus.good("rgb16.png", png(WIDTH, HEIGHT, 16, 2, filtered(wide)), note="16 bits per sample")
    grey = (np.asarray(image.convert("L")).astype(np.uint16) * 257).astype(">u2")
    corpus.good("grey16.png", png(WIDTH, HEIGHT, 16, 0, filtered(grey)), note="16 bits")
    palette = image.quantize(8, dither=Image.Dither.NONE)
    corpus.good("palette.png", encoded(palette, "PNG"))
    corpus.good(
        "palette-alpha.png", encoded(palette, "PNG", transparency=0), note="tRNS on a palette"
    )
    alpha = image.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    corpus.good("rgba8.png", encoded(alpha, "PNG"), note="half transparent")
    corpus.good("grey-alpha.png", encoded(alpha.convert("LA"), "PNG"))
    corpus.good(
        "interlaced.png", png(WIDTH, HEIGHT, 8, 2, adam7(pixels), interlace=1), note="Adam7"
    )
    corpus.good("one-pixel.png", encoded(image.crop((0, 0, 1, 1)), "PNG"), (1, 1))
    text = png_chunk(b"tEXt", b"Comment\0" + b"x" * 300)
    corpus.good("text-chunk.png", png(WIDTH, HEIGHT, 8, 2, filtered(pixels), extra=text))


def good_webps(corpus):
    image = scene()
    corpus.good("lossy.webp", encoded(image, "WEBP", quality=90))
    corpus.good("lossless.webp", encoded(image, "WEBP", lossless=True))
    alpha = image.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    corpus.good("alpha.webp", encoded(alpha, "WEBP", quality=90), note="VP8X with alpha")


# ---- bad pictures --------------------------------------------------------------------------------


def not_pictures(corpus):
    corpus.bad("empty.jpg", b"", "zero bytes")
    corpus.bad("one-byte.jpg", b"\xff", "one byte")
    corpus.bad("soi-only.jpg", b"\xff\xd8", "a start and nothing else")
    corpus.bad("text.jpg", b"This is not a picture, whatever its name says.\n" * 4, "text")
    corpus.bad(
        "html.png",
        b"<!doctype html><title>404 Not Found</title>\n",
        "an error page saved as a picture",
    )
    corpus.bad("zeros.png", b"\0" * 512, "zeros")
    corpus.bad("gif.jpg", encoded(scene().quantize(8), "GIF"), "a GIF: not a format we read")
    corpus.bad("signature-only.png", b"\x89PNG\r\n\x1a\n", "a signature and nothing else")
    corpus.bad("riff-only.webp", b"RIFF\x04\0\0\0WEBP", "a container and nothing else")


def cut_short(corpus):
    jpeg = encoded(noise(64, 48), "JPEG", quality=70)
    scan = segment(jpeg, 0xDA)
    corpus.bad("truncated-header.jpg", jpeg[: segment(jpeg, 0xC0) + 6], "ends inside SOF")
    corpus.bad("truncated-tables.jpg", jpeg[: segment(jpeg, 0xC4) + 9], "ends inside DHT")
    corpus.bad("truncated-no-scan.jpg", jpeg[: scan + 12], "ends where the picture would begin")
    corpus.bad(
        "truncated-half.jpg",
        jpeg[: scan + (len(jpeg) - scan) // 2],
        "ends in the middle of the scan",
    )
    corpus.bad(
        "truncated-90.jpg", jpeg[: scan + (len(jpeg) - scan) * 9 // 10], "the last tenth is missing"
    )
    progressive = encoded(noise(64, 48), "JPEG", quality=70, progressive=True)
    corpus.bad(
        "truncated-progressive.jpg", progressive[: len(progressive) // 3], "ends after a third"
    )
    picture = encoded(noise(40, 30), "PNG")
    corpus.bad("truncated-header.png", picture[:20], "ends inside IHDR")
    corpus.bad("truncated-half.png", picture[: len(picture) // 2], "ends in the middle of IDAT")
    corpus.bad(
        "truncated-half.webp", encoded(noise(40, 30), "WEBP", quality=60)[:300], "ends early"
    )


def bombs(corpus):
    jpeg = encoded(scene(), "JPEG")
    size = segment(jpeg, 0xC0) + 5
    huge = replaced(jpeg, size, struct.pack(">HH", 65535, 65535))
    corpus.bad("bomb-65535.jpg", huge, "claims 65535x65535 pixels")
    progressive = encoded(scene(), "JPEG", progressive=True)
    size = segment(progressive, 0xC2) + 5
    huge = replaced(progressive, size, struct.pack(">HH", 65500, 65500))
    corpus.bad(
        "bomb-progressive.jpg", huge, "claims 65500x65500: progressive needs it all in memory"
    )
    rows = b"\0" * (1 << 20)
    corpus.bad("bomb-50000.png", png(50000, 50000, 8, 2, rows), "claims 50000x50000 pixels of RGB")
    corpus.bad(
        "bomb-2g.png", png(0x7FFFFFFF, 0x7FFFFFFF, 16, 6, b"\0"), "the largest size PNG can claim"
    )
    head = struct.pack("<I", 10) + b"\0\0\0" + b"\0" + (16383).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + head + b"VP8L" + struct.pack("<I", 6) + b"\x2f\xff\xff\xff\x0f\x00"
    corpus.bad(
        "bomb-16384.webp",
        b"RIFF" + struct.pack("<I", len(body)) + body,
        "claims 16384x16384 pixels",
    )


def damaged(corpus):
    jpeg = encoded(noise(64, 48), "JPEG", quality=70)
    at = segment(jpeg, 0xC4) + 5
    corpus.bad(
        "huffman-overfull.jpg", replaced(jpeg, at, b"\xff" * 16), "more codes than bits can name"
    )
    at = segment(jpeg, 0xC4) + 4
    corpus.bad(
        "huffman-no-table.jpg",
        replaced(jpeg, at, b"\x0f"),
        "the scan needs a table that is not there",
    )
    middle = (segment(jpeg, 0xDA) + len(jpeg)) // 2
    corpus.bad("scan-damaged.jpg", replaced(jpeg, middle, b"\xff\0" * 40), "no such Huffman codes")
    frame = segment(jpeg, 0xC0)
    corpus.bad("zero-width.jpg", replaced(jpeg, frame + 7, b"\0\0"), "a picture of width 0")
    corpus.bad("precision-12.jpg", replaced(jpeg, frame + 4, b"\x0c"), "12 bits per sample")
    corpus.bad(
        "components-9.jpg",
        replaced(jpeg, frame + 9, b"\x09"),
        "nine components in a frame of three",
    )
    corpus.bad(
        "sof-length.jpg",
        replaced(jpeg, frame + 2, b"\xff\xff"),
        "SOF claims more than the file has",
    )
    app1 = with_app1(jpeg, exif(6), length=0xFFFF)
    corpus.bad("exif-length-long.jpg", app1, "APP1 claims 65535 bytes and swallows the picture")

    picture = encoded(noise(40, 30), "PNG")
    corpus.bad("crc.png", replaced(picture, 29, b"\0\0\0\0"), "IHDR with a wrong CRC")
    idat = picture.index(b"IDAT")
    corpus.bad("deflate.png", replaced(picture, idat + 40, b"\xa5" * 64), "damaged deflate stream")
    corpus.bad("zero-width.png", png(0, 10, 8, 2, b""), "a picture of width 0")
    corpus.bad("colour-type.png", png(4, 4, 8, 5, b"\0" * 20), "a colour type that does not exist")
    corpus.bad("no-palette.png", png(4, 4, 8, 3, b"\0" * 20), "palette picture without a palette")
    corpus.bad("chunk-length.png", replaced(picture, idat - 4, b"\xff" * 4), "IDAT claims 4 GB")


def odd_but_good(corpus):
    """Damage outside the pixels: the block is dropped, the picture shown as stored."""
    jpeg = encoded(scene(), "JPEG", quality=92, subsampling=0)
    tiff = b"Exif\0\0II*\0"
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    cases = {
        "exif-offset-far.jpg": (tiff + struct.pack("<I", 0x7FFFFFFF), "directory beyond the block"),
        "exif-entries-65535.jpg": (
            tiff + struct.pack("<IH", 8, 65535),
            "65535 entries claimed, none there",
        ),
        "exif-cut-entry.jpg": (
            tiff + struct.pack("<IH", 8, 1) + entry[:7],
            "ends inside the entry",
        ),
        "exif-empty.jpg": (b"Exif\0\0", "no TIFF header"),
        "exif-count-huge.jpg": (
            tiff + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 0x0112, 3, 0xFFFFFFFF, 0),
            "orientation of 4 billion values",
        ),
        "exif-orientation-99.jpg": (exif(99), "no such orientation"),
        "exif-loop.jpg": (tiff + struct.pack("<IHI", 8, 0, 8), "the next directory is this one"),
    }
    for name, (payload, note) in cases.items():
        corpus.good(name, with_app1(jpeg, payload), note=note + ": shown as stored")


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "images"
    corpus = Corpus(folder)
    for part in (
        good_jpegs,
        good_orientations,
        good_pngs,
        good_webps,
        odd_but_good,
        not_pictures,
        cut_short,
        bombs,
        damaged,
    ):
        part(corpus)
    corpus.save()
    print(f"wrote {len(corpus.rows)} files to {folder}")


if __name__ == "__main__":
    main()
