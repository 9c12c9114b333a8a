#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train the handwritten-digit classifier of this example and write everything the folder holds.

The data is scikit-learn's `load_digits` (1,797 pictures of 8x8 pixels, shipped inside the package).
The network is a small convolutional one, trained here in plain numpy with the gradients written by
hand, so that the whole recipe fits in this file:

    pip install numpy scikit-learn onnx Pillow
    python3 train.py        # about a minute on one core; writes digits.onnx, labels.txt, images/

Training sees what serving sees: every digit becomes a 96x96 picture (dark ink on white paper), is
turned, scaled and shifted a little, and shrinks to 32x32. The graph itself inverts the paper and
averages 4x4 pixels, so it takes any picture of a digit that was resized to 32x32 with values from 0
(black) to 1 (white).
"""

import argparse
import io
import os
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(
        name, "1"
    )  # one thread: sums are added in the same order on every machine

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits

SEED = 20240607
PICTURE = 96  # side of a written picture
INPUT = 32  # side of the graph's input
CLASSES = 10
TEST_START = 1287  # where the last four of the blocks begin
IMAGES_PER_CLASS = (3, 3, 2, 2, 2, 2, 2, 3, 3, 2)  # 24 pictures


# ---- data ----------------------------------------------------------------------------------------


def split(count):
    """Return (train, test) indices.

    The digits lie in the order in which they were collected: a block of about 130 for each writer,
    and most blocks open with 0 to 9 three times over. Cutting where a block begins keeps the writers
    apart: nobody whose digits are tested has been seen in training.
    """
    return np.arange(TEST_START), np.arange(TEST_START, count)


def to_picture(digit):
    """An 8x8 digit (0 paper .. 16 ink) as a grey 96x96 picture, dark ink on white paper."""
    paper = 255.0 * (1.0 - digit / 16.0)
    small = Image.fromarray(np.round(paper).astype(np.uint8))
    return small.resize((PICTURE, PICTURE), Image.Resampling.BICUBIC)


def to_input(picture):
    """What the runner does with a square picture: resize with antialiasing, scale to 0..1."""
    small = picture.convert("L").resize((INPUT, INPUT), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32) / 255.0


def vary(picture, rng):
    """A slightly turned, scaled, shifted and faded copy of a picture, as network input."""
    angle = np.deg2rad(rng.uniform(-12, 12))
    zoom = rng.uniform(0.92, 1.3)  # output to input: above 1 the digit shrinks
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    middle = PICTURE / 2
    shift_x, shift_y = rng.uniform(-8, 8, size=2)
    matrix = (
        cos,
        sin,
        middle - cos * middle - sin * middle + shift_x,
        -sin,
        cos,
        middle + sin * middle - cos * middle + shift_y,
    )
    moved = picture.transform(
        picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=255
    )
    ink = rng.uniform(0.6, 1.0)
    paper = rng.uniform(0.9, 1.0)
    return paper * (1.0 - ink * (1.0 - to_input(moved)))


# ---- the network, in numpy -----------------------------------------------------------------------
# image [N,1,32,32] -> 1-x -> mean of 4x4 -> [N,1,8,8] -> conv 16 -> relu -> conv 32 -> relu
#   -> max of 2x2 -> [N,32,4,4] -> 512 -> dense 64 -> relu -> dense 10 (logits)


def new_weights(rng):
    def he(*shape, fan_in):
        return rng.normal(0, np.sqrt(2.0 / fan_in), shape).astype(np.float32)

    return {
        "conv1.weight": he(16, 1, 3, 3, fan_in=9),
        "conv1.bias": np.zeros(16, np.float32),
        "conv2.weight": he(32, 16, 3, 3, fan_in=16 * 9),
        "conv2.bias": np.zeros(32, np.float32),
        "dense1.weight": he(512, 64, fan_in=512),
        "dense1.bias": np.zeros(64, np.float32),
        "dense2.weight": he(64, 10, fan_in=64),
        "dense2.bias": np.zeros(10, np.float32),
    }


def pool_input(image):
    ink = 1.0 - image
    count = len(ink)
    return ink.reshape(count, 1, 8, 4, 8, 4).mean(axis=(3, 5))


def columns(x):
    """The 3x3 neighbourhood of each pixel: [N,C,H,W] -> [N*H*W, C*9]."""
    count, channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(count * height * width, channels * 9)


def uncolumns(cols, shape):
    """The gradient of `columns`: add every neighbourhood back to its pixel."""
    count, channels, height, width = shape
    cols = cols.reshape(count, height, width, channels, 3, 3)
    padded = np.zeros((count, channels, height + 2, width + 2), np.float32)
    for row in range(3):
        for col in range(3):
            part = cols[:, :, :, :, row, col].transpose(0, 3, 1, 2)
            padded[:, :, row : row + height, col : col + width] += part
    return padded[:, :, 1:-1, 1:-1]


def conv(x, weight, bias):
    count, _, height, width = x.shape
    cols = columns(x)
    out = cols @ weight.reshape(len(weight), -1).T + bias
    return out.reshape(count, height, width, -1).transpose(0, 3, 1, 2), cols


def conv_gradient(grad, cols, weight, shape):
    flat = grad.transpose(0, 2, 3, 1).reshape(-1, len(weight))
    to_weight = (flat.T @ cols).reshape(weight.shape)
    to_x = uncolumns(flat @ weight.reshape(len(weight), -1), shape)
    return to_x, to_weight, flat.sum(axis=0)


def forward(w, image):
    """Return the logits and what the backward pass needs."""
    k = {"x": pool_input(image).astype(np.float32)}
    k["c1"], k["cols1"] = conv(k["x"], w["conv1.weight"], w["conv1.bias"])
    k["r1"] = np.maximum(k["c1"], 0)
    k["c2"], k["cols2"] = conv(k["r1"], w["conv2.weight"], w["conv2.bias"])
    k["r2"] = np.maximum(k["c2"], 0)
    count = len(image)
    k["blocks"] = k["r2"].reshape(count, 32, 4, 2, 4, 2)
    k["pool"] = k["blocks"].max(axis=(3, 5))
    k["flat"] = k["pool"].reshape(count, 512)
    k["d1"] = k["flat"] @ w["dense1.weight"] + w["dense1.bias"]
    k["h"] = np.maximum(k["d1"], 0)
    return k["h"] @ w["dense2.weight"] + w["dense2.bias"], k


def backward(w, k, to_logits, drop):
    g = {"dense2.weight": (k["h"] * drop).T @ to_logits, "dense2.bias": to_logits.sum(axis=0)}
    to_d1 = (to_logits @ w["dense2.weight"].T) * drop * (k["d1"] > 0)
    g["dense1.weight"] = k["flat"].T @ to_d1
    g["dense1.bias"] = to_d1.sum(axis=0)
    to_pool = (to_d1 @ w["dense1.weight"].T).reshape(k["pool"].shape)
    winner = k["blocks"] == k["pool"][:, :, :, None, :, None]
    to_r2 = (winner * to_pool[:, :, :, None, :, None]).reshape(k["r2"].shape)
    to_r1, g["conv2.weight"], g["conv2.bias"] = conv_gradient(
        to_r2 * (k["c2"] > 0), k["cols2"], w["conv2.weight"], k["r1"].shape
    )
    _, g["conv1.weight"], g["conv1.bias"] = conv_gradient(
        to_r1 * (k["c1"] > 0), k["cols1"], w["conv1.weight"], k["x"].shape
    )
    return g


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def loss_and_gradients(w, image, label, drop, smooth=0.02):
    """Cross-entropy with smoothed labels; `drop` is the dropout mask of the hidden layer."""
    _, k = forward(w, image)
    logits = (k["h"] * drop) @ w["dense2.weight"] + w["dense2.bias"]
    share = softmax(logits)
    target = np.full_like(share, smooth / CLASSES)
    target[np.arange(len(label)), label] += 1 - smooth
    loss = -(target * np.log(share + 1e-12)).sum() / len(label)
    return loss, backward(w, k, (share - target) / len(label), drop)


def train(pictures, labels, rng, epochs):
    """Adam with a cosine learning rate."""
    w = new_weights(rng)
    first = {name: np.zeros_like(value) for name, value in w.items()}
    second = {name: np.zeros_like(value) for name, value in w.items()}
    batch, step = 32, 0
    steps = epochs * -(-len(pictures) // batch)
    for epoch in range(epochs):
        order = rng.permutation(len(pictures))
        total = 0.0
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            image = np.stack([vary(pictures[i], rng) for i in chosen])[:, None].astype(np.float32)
            drop = (rng.random((len(chosen), 64)) < 0.8).astype(np.float32) / 0.8
            loss, grads = loss_and_gradients(w, image, labels[chosen], drop)
            total += loss * len(chosen)
            step += 1
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
            for name, grad in grads.items():
                first[name] = 0.9 * first[name] + 0.1 * grad
                second[name] = 0.999 * second[name] + 0.001 * grad * grad
                mean = first[name] / (1 - 0.9**step)
                spread = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
                decay = 1e-4 * w[name] if name.endswith("weight") else 0.0
                w[name] = (w[name] - rate * (mean / spread + decay)).astype(np.float32)
        if epoch % 10 == 9 or epoch == epochs - 1:
            print(f"epoch {epoch + 1:3d}  loss {total / len(order):.4f}", flush=True)
    return w


# ---- results -------------------------------------------------------------------------------------


def accuracy(w, pictures, labels):
    """Return (right, all): the pictures go through the serving path, without any variation."""
    image = np.stack([to_input(picture) for picture in pictures])[:, None]
    logits, _ = forward(w, image)
    return int((logits.argmax(axis=1) == labels).sum()), len(labels)


def export(w, path, right, count):
    constants = {
        "one": np.array(1, np.float32),
        "flat_shape": np.array([0, 512], np.int64),
        **w,
    }
    nodes = [
        helper.make_node("Sub", ["one", "image"], ["ink"]),
        helper.make_node("AveragePool", ["ink"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["cells", "conv1.weight", "conv1.bias"], ["c1"], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "conv2.weight", "conv2.bias"], ["c2"], pads=[1] * 4),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Reshape", ["pool", "flat_shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense1.weight", "dense1.bias"], ["d1"]),
        helper.make_node("Relu", ["d1"], ["h"]),
        helper.make_node("Gemm", ["h", "dense2.weight", "dense2.bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, INPUT, INPUT])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8  # the newest that every ONNX Runtime we support can read
    model.producer_name = "examples/digits/train.py"
    helper.set_model_props(
        model,
        {
            "data": f"scikit-learn load_digits; trained on 0..{TEST_START - 1}, tested on the rest",
            "test_accuracy": f"{right / count:.4f}",
            "test_pictures": str(count),
        },
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)


def save_images(folder, digits, labels, test):
    """Write held-out pictures of every class, right or wrong; some as JPEG, some wide."""
    folder.mkdir(exist_ok=True)
    for old in [*folder.glob("*.png"), *folder.glob("*.jpg")]:
        old.unlink()
    number = 0
    for digit in range(CLASSES):
        of_class = [i for i in test if labels[i] == digit]
        spread = np.linspace(0, len(of_class) - 1, IMAGES_PER_CLASS[digit])  # several writers
        for index in (of_class[round(place)] for place in spread):
            picture = to_picture(digits[index])
            if number % 8 == 7:  # a wide sheet: the centre crop has something to do
                sheet = Image.new("L", (PICTURE + 48, PICTURE), 255)
                sheet.paste(picture, (24, 0))
                picture = sheet
            data = io.BytesIO()
            if number % 4 == 3:
                picture.convert("RGB").save(data, "JPEG", quality=88)
                name = f"{digit}-{index:04d}.jpg"
            else:
                picture.save(data, "PNG", optimize=True)
                name = f"{digit}-{index:04d}.png"
            (folder / name).write_bytes(data.getvalue())
            number += 1
    return number


def main():
    parser = argparse.ArgumentParser(description="train the digit classifier and write this folder")
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    args = parser.parse_args()

    rng = np.random.default_rng(SEED)
    data = load_digits()
    digits, labels = data.images, data.target
    in_train, in_test = split(len(labels))
    pictures = [to_picture(digit) for digit in digits]
    w = train([pictures[i] for i in in_train], labels[in_train], rng, args.epochs)
    seen = accuracy(w, [pictures[i] for i in in_train], labels[in_train])
    held = accuracy(w, [pictures[i] for i in in_test], labels[in_test])
    print(f"training pictures {seen[0]}/{seen[1]} right")
    print(f"held-out pictures {held[0]}/{held[1]} right: accuracy {held[0] / held[1]:.4f}")

    args.out.mkdir(exist_ok=True)
    export(w, args.out / "digits.onnx", *held)
    (args.out / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(CLASSES)))
    count = save_images(args.out / "images", digits, labels, in_test)
    print(f"wrote {args.out / 'digits.onnx'} and {count} pictures")


if __name__ == "__main__":
    main()
