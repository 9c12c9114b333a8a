#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make ONNX models for benchmarks and tests. The weights are random: what is measured is the work,
not the answer.

    pip install numpy onnx
    python3 tools/make_models.py resnet50 out.onnx     # one model; --list names them
    python3 tools/make_models.py corpus test/corpus/models   # good and broken ones

Equal arguments give equal files. Networks come with batch normalisation already folded into their
convolutions and with weights scaled so that activations neither vanish nor grow with depth.
"""

import argparse
import sys
import zlib
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

IR_VERSION = 8  # readable by every ONNX Runtime since 1.10
F32, I64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


class Graph:
    """A graph under construction: each method adds nodes and returns the name of their output."""

    def __init__(self, name, opset=13):
        self.name = name
        self.opset = opset
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []

    def input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, kind, shape):
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def constant(self, value, hint="c"):
        name = f"{hint}_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, *inputs, out=None, **attributes):
        out = out or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, list(inputs), [out], name=f"n{len(self.nodes)}", **attributes)
        )
        return out

    def random(self, *shape, spread, hint="w"):
        value = self.rng.standard_normal(shape, dtype=np.float32) * np.float32(spread)
        return self.constant(value, hint)

    def conv(self, x, c_in, c_out, size, stride=1, groups=1, pad=None, gain=1.0):
        fan_in = c_in // groups * size * size
        weight = self.random(c_out, c_in // groups, size, size, spread=gain * np.sqrt(2 / fan_in))
        bias = self.random(c_out, spread=0.01, hint="b")
        pads = [size // 2 if pad is None else pad] * 4
        return self.node(
            "Conv",
            x,
            weight,
            bias,
            kernel_shape=[size] * 2,
            strides=[stride] * 2,
            pads=pads,
            group=groups,
        )

    def dense(self, x, c_in, c_out, out=None, gain=1.0):
        weight = self.random(c_in, c_out, spread=gain / np.sqrt(c_in))
        bias = self.random(c_out, spread=0.01, hint="b")
        return self.node("Add", self.node("MatMul", x, weight), bias, out=out)

    def model(self, check=True):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = IR_VERSION
        model.producer_name = "rouse make_models"
        if check:
            checker.check_model(model)
        return model


# ---- networks for benchmarks ---------------------------------------------------------------------


def classifier_head(g, x, channels, classes=1000):
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    g.dense(x, channels, classes, out="logits")
    g.output("logits", F32, ["N", classes])


def resnet50():
    """ResNet-50: 25.5 M weights, 102 MB, image [N,3,224,224] -> logits [N,1000]"""
    g = Graph("resnet50")
    x = g.node("Relu", g.conv(g.input("image", F32, ["N", 3, 224, 224]), 3, 64, 7, 2))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    c_in = 64
    for stage, (width, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(count):
            stride = 2 if block == 0 and stage > 0 else 1
            y = g.node("Relu", g.conv(x, c_in, width, 1))
            y = g.node("Relu", g.conv(y, width, width, 3, stride))
            y = g.conv(y, width, width * 4, 1, gain=0.3)  # the sum must not double at each block
            if block == 0:
                x = g.conv(x, c_in, width * 4, 1, stride, gain=0.7)
            x = g.node("Relu", g.node("Add", x, y))
            c_in = width * 4
    classifier_head(g, x, 2048)
    return g.model()


def mobilenetv2():
    """MobileNet-v2: 3.5 M weights, 14 MB, image [N,3,224,224] -> logits [N,1000]"""
    g = Graph("mobilenetv2")
    low, high = g.constant(np.float32(0)), g.constant(np.float32(6))

    def relu6(x):
        return g.node("Clip", x, low, high)

    x = relu6(g.conv(g.input("image", F32, ["N", 3, 224, 224]), 3, 32, 3, 2))
    c_in = 32
    for expand, c_out, count, first in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
        (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for block in range(count):
            stride, width = (first if block == 0 else 1), c_in * expand
            y = x if expand == 1 else relu6(g.conv(x, c_in, width, 1))
            y = relu6(g.conv(y, width, width, 3, stride, groups=width))
            y = g.conv(y, width, c_out, 1, gain=0.7)
            x = g.node("Add", x, y) if stride == 1 and c_in == c_out else y
            c_in = c_out
    classifier_head(g, relu6(g.conv(x, 320, 1280, 1)), 1280)
    return g.model()


def squeezenet():
    """SqueezeNet 1.1: 1.2 M weights, 5 MB, image [N,3,224,224] -> logits [N,1000]"""
    g = Graph("squeezenet")
    x = g.node("Relu", g.conv(g.input("image", F32, ["N", 3, 224, 224]), 3, 64, 3, 2, pad=0))
    c_in = 64

    def pool(x):
        return g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)

    for squeeze, expand, pooled in (
        (16, 64, True), (16, 64, False), (32, 128, True), (32, 128, False),
        (48, 192, True), (48, 192, False), (64, 256, False), (64, 256, False),
    ):  # fmt: skip
        x = pool(x) if pooled else x
        s = g.node("Relu", g.conv(x, c_in, squeeze, 1))
        one = g.node("Relu", g.conv(s, squeeze, expand, 1))
        three = g.node("Relu", g.conv(s, squeeze, expand, 3))
        x = g.node("Concat", one, three, axis=1)
        c_in = expand * 2
    x = g.node("Relu", g.conv(x, c_in, 1000, 1))
    g.node("Flatten", g.node("GlobalAveragePool", x), out="logits")
    g.output("logits", F32, ["N", 1000])
    return g.model()


def transformer(name, layers, width, heads, vocabulary, positions):
    """A post-norm encoder with GELU, as BERT is: ids and mask [N,S] -> [N,S,width]."""
    g = Graph(name, opset=17)
    ids = g.input("input_ids", I64, ["N", "S"])
    mask = g.input("attention_mask", I64, ["N", "S"])
    scalar = lambda value: g.constant(np.float32(value))
    axis = g.constant(np.array([1], np.int64))
    half, one, root2, far = scalar(0.5), scalar(1), scalar(np.sqrt(2)), scalar(-10000)
    depth = width // heads
    split = g.constant(np.array([0, 0, heads, depth], np.int64))
    join = g.constant(np.array([0, 0, width], np.int64))
    shrink = scalar(1 / np.sqrt(depth))

    def norm(x):
        scale = g.constant(np.ones(width, np.float32))
        return g.node(
            "LayerNormalization", x, scale, g.constant(np.zeros(width, np.float32)), axis=-1
        )

    def heads_of(x, order):
        return g.node("Transpose", g.node("Reshape", g.dense(x, width, width), split), perm=order)

    words = g.node("Gather", g.random(vocabulary, width, spread=1.0), ids)
    length = g.node("Slice", g.node("Shape", ids), axis, g.constant(np.array([2], np.int64)))
    zero, step = g.constant(np.array(0, np.int64)), g.constant(np.array(1, np.int64))
    where = g.node("Range", zero, g.node("Squeeze", length), step)
    places = g.node("Gather", g.random(positions, width, spread=0.5), where)
    x = norm(g.node("Add", words, places))
    seen = g.node(
        "Cast", g.node("Unsqueeze", mask, g.constant(np.array([1, 2], np.int64))), to=int(F32)
    )
    hide = g.node("Mul", g.node("Sub", one, seen), far)
    for _ in range(layers):
        query, value = heads_of(x, [0, 2, 1, 3]), heads_of(x, [0, 2, 1, 3])
        score = g.node("Mul", g.node("MatMul", query, heads_of(x, [0, 2, 3, 1])), shrink)
        share = g.node("Softmax", g.node("Add", score, hide), axis=-1)
        mixed = g.node("Transpose", g.node("MatMul", share, value), perm=[0, 2, 1, 3])
        x = norm(g.node("Add", x, g.dense(g.node("Reshape", mixed, join), width, width)))
        inner = g.dense(x, width, width * 4)
        bell = g.node("Add", g.node("Erf", g.node("Div", inner, root2)), one)
        x = norm(
            g.node(
                "Add", x, g.dense(g.node("Mul", g.node("Mul", inner, half), bell), width * 4, width)
            )
        )
    g.node("Identity", x, out="last_hidden_state")
    g.output("last_hidden_state", F32, ["N", "S", width])
    return g.model()


def bert_base():
    """BERT-base encoder: 109 M weights, 436 MB, ids and mask [N,S] -> hidden states [N,S,768]"""
    return transformer("bert-base", 12, 768, 12, 30522, 512)


def bert_tiny():
    """The same shape in small: 2 layers of 128, 17 MB"""
    return transformer("bert-tiny", 2, 128, 2, 30522, 512)


def big(megabytes):
    """1024x1024 layers of as many megabytes as the name says, x [N,1024] -> y [N,1024]"""
    g = Graph(f"big{megabytes}")
    x = g.input("x", F32, ["N", 1024])
    count = max(1, round(megabytes * 1e6 / (4 * 1024 * 1025)))
    for layer in range(count):
        x = g.node("Relu", g.dense(x, 1024, 1024, gain=np.sqrt(2)))
    g.node("Identity", x, out="y")
    g.output("y", F32, ["N", 1024])
    return g.model()


# ---- small models for tests ----------------------------------------------------------------------


def echo():
    """Answers its input: x float32 [N] -> y [N]"""
    return identity(F32, ["N"])


def identity(kind, shape, name="identity"):
    g = Graph(name)
    g.node("Identity", g.input("x", kind, shape), out="y")
    g.output("y", kind, shape)
    return g.model()


def add():
    """a + b, float32 [N] each -> sum [N]"""
    g = Graph("add")
    g.node("Add", g.input("a", F32, ["N"]), g.input("b", F32, ["N"]), out="sum")
    g.output("sum", F32, ["N"])
    return g.model()


def across():
    """x less the mean over its first dimension, float32 [N, 2] -> y [N, 2]: that one is no batch"""
    g = Graph("across")
    x = g.input("x", F32, ["N", 2])
    g.node("Sub", x, g.node("ReduceMean", x, axes=[0], keepdims=1), out="y")
    g.output("y", F32, ["N", 2])
    return g.model()


def every_type():
    """One input and one output of each type that JSON can carry: in_T [N] -> out_T [N]"""
    g = Graph("types")
    for name in (
        "FLOAT", "DOUBLE", "FLOAT16", "INT8", "INT16", "INT32", "INT64",
        "UINT8", "UINT16", "UINT32", "UINT64", "BOOL", "STRING",
    ):  # fmt: skip
        kind = getattr(TensorProto, name)
        g.node("Identity", g.input(f"in_{name.lower()}", kind, ["N"]), out=f"out_{name.lower()}")
        g.output(f"out_{name.lower()}", kind, ["N"])
    return g.model()


def odd_names():
    """Names that need escaping in JSON: quotes, a line break, a slash, letters beyond ASCII"""
    g = Graph('odd "names"\n')
    g.node("Identity", g.input('in "put"\n/ü', F32, ["größe N", 2]), out="out\\put\t☃")
    g.output("out\\put\t☃", F32, ["größe N", 2])
    return g.model()


def scalar():
    """x float32 [] -> x squared [], a tensor of rank 0"""
    g = Graph("scalar")
    g.input("x", F32, [])
    g.node("Mul", "x", "x", out="y")
    g.output("y", F32, [])
    return g.model()


def no_input():
    """No input at all: -> y = [1, 2, 3]"""
    g = Graph("no-input")
    g.node("Identity", g.constant(np.array([1, 2, 3], np.float32)), out="y")
    g.output("y", F32, [3])
    return g.model()


def old_inputs():
    """Weights listed among the inputs, as files before IR 4 do: x [N,2] -> y = x + [1, 2]"""
    g = Graph("old-inputs")
    weight = g.constant(np.array([1, 2], np.float32), "w")
    g.node("Add", g.input("x", F32, ["N", 2]), g.input(weight, F32, [2]), out="y")
    g.output("y", F32, ["N", 2])
    model = g.model()
    model.ir_version = 3
    return model


def brightness():
    """A class for the mean of each plane: image [N,3,8,8] -> logits [N,3]; red is class 0"""
    g = Graph("brightness")
    x = g.node("GlobalAveragePool", g.input("image", F32, ["N", 3, 8, 8]))
    g.node("Flatten", g.node("Mul", x, g.constant(np.float32(4))), out="logits")
    g.output("logits", F32, ["N", 3])
    return g.model()


def brightness_nhwc():
    """The same with channels last and a softmax in the graph: image [N,8,8,3] -> shares [N,3]"""
    g = Graph("brightness-nhwc")
    x = g.input("image", F32, ["N", 8, 8, 3])
    x = g.node("ReduceMean", x, axes=[1, 2], keepdims=0)
    g.node("Softmax", g.node("Mul", x, g.constant(np.float32(4))), out="shares", axis=-1)
    g.output("shares", F32, ["N", 3])
    return g.model()


def brightness_u8():
    """The same for bytes: image uint8 [1,3,8,8] (no dynamic batch) -> logits [1,3]"""
    g = Graph("brightness-u8")
    x = g.node("Cast", g.input("image", TensorProto.UINT8, [1, 3, 8, 8]), to=int(F32))
    x = g.node("Mul", g.node("GlobalAveragePool", x), g.constant(np.float32(4 / 255)))
    g.node("Flatten", x, out="logits")
    g.output("logits", F32, [1, 3])
    return g.model()


def detector():
    """YOLOX-shaped with fixed answers: image [N,3,64,64] -> output [N,84,8] (3 classes)

    The 84 cells are 8x8 of stride 8, 4x4 of stride 16, 2x2 of stride 32. Cell (x 3, y 2) of stride
    8 holds a box with centre 28,20 and size 16x24 of class 1, score 0.9 * 0.8 = 0.72; its neighbour
    repeats it with score 0.54 one pixel to the right, for NMS to drop. Cell (x 1, y 1) of stride 32
    holds a box with centre 48,48 and size 32x32 of class 2, score 0.95 * 0.9 = 0.855.
    """
    g = Graph("detector")
    cells = np.zeros((1, 84, 8), np.float32)
    cells[0, 2 * 8 + 3] = [0.5, 0.5, np.log(16 / 8), np.log(24 / 8), 0.9, 0.05, 0.8, 0.05]
    cells[0, 2 * 8 + 4] = [-0.375, 0.5, np.log(16 / 8), np.log(24 / 8), 0.9, 0.05, 0.6, 0.05]
    cells[0, 64 + 16 + 1 * 2 + 1] = [
        0.5,
        0.5,
        np.log(32 / 32),
        np.log(32 / 32),
        0.95,
        0.0,
        0.02,
        0.9,
    ]
    x = g.node("ReduceMean", g.input("image", F32, ["N", 3, 64, 64]), axes=[1, 2, 3], keepdims=1)
    nothing = g.node(
        "Mul", g.node("Squeeze", x, g.constant(np.array([3], np.int64))), g.constant(np.float32(0))
    )
    g.node("Add", nothing, g.constant(cells), out="output")
    g.output("output", F32, ["N", 84, 8])
    return g.model()


# ---- broken and hostile models -------------------------------------------------------------------


def wrong_output_type():
    g = Graph("wrong-output-type")
    g.node("Identity", g.input("x", F32, ["N"]), out="y")
    g.output("y", I64, ["N"])
    return g.model(check=False)


def with_node(name, op, opset=13, **attributes):
    g = Graph(name, opset)
    g.node(op, g.input("x", F32, ["N"]), out="y", **attributes)
    g.output("y", F32, ["N"])
    return g.model(check=False)


def unknown_domain():
    model = with_node("unknown-domain", "Frobnicate", domain="com.example")
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


def undefined_input():
    g = Graph("undefined-input")
    g.node("Add", g.input("x", F32, ["N"]), "nowhere", out="y")
    g.output("y", F32, ["N"])
    return g.model(check=False)


def cycle():
    g = Graph("cycle")
    g.node("Add", g.input("x", F32, ["N"]), "b", out="a")
    g.node("Relu", "a", out="b")
    g.output("b", F32, ["N"])
    return g.model(check=False)


def with_weight(name, tensor):
    g = Graph(name)
    g.weights.append(tensor)
    g.node("Add", g.input("x", F32, ["N"]), tensor.name, out="y")
    g.output("y", F32, ["N"])
    return g.model(check=False)


def external(name, location):
    tensor = TensorProto(name="w", data_type=F32, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    return with_weight(name, tensor)


def raw_weight(name, dims, data):
    return with_weight(name, TensorProto(name="w", data_type=F32, dims=dims, raw_data=data))


def asks_for_a_terabyte():
    g = Graph("run-terabyte")
    x = g.node("Cast", g.input("x", F32, [1]), to=int(I64))
    size = g.node(
        "Add",
        g.node("Mul", x, g.constant(np.array([0], np.int64))),
        g.constant(np.array([1 << 38], np.int64)),
    )
    g.node("ConstantOfShape", size, out="y", value=helper.make_tensor("v", F32, [1], [1.0]))
    g.output("y", F32, ["N"])
    return g.model()


def index_out_of_range():
    g = Graph("run-index")
    x = g.node("Cast", g.input("x", F32, ["N"]), to=int(I64))
    g.node("Gather", g.constant(np.array([1, 2, 3], np.float32)), x, out="y")
    g.output("y", F32, ["N"])
    return g.model()


def never_ends():
    """A loop of 2^62 rounds around one addition."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["more_out"]),
            helper.make_node("Add", ["v", "v"], ["v_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", I64, []),
            helper.make_tensor_value_info("more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", F32, [1]),
        ],
        [
            helper.make_tensor_value_info("more_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v_out", F32, [1]),
        ],
    )
    g = Graph("run-forever")
    rounds, more = g.constant(np.array(1 << 62, np.int64)), g.constant(np.array(True))
    g.node("Loop", rounds, more, g.input("x", F32, [1]), out="y", body=body)
    g.output("y", F32, [1])
    return g.model()


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, payload, length=None):
    """A length-delimited protobuf field; `length` lies."""
    return varint(number << 3 | 2) + varint(len(payload) if length is None else length) + payload


def nested_graphs(depth):
    """Model.graph(7) > node(1) > attribute(5) > g(6) > node > …: graphs within graphs."""
    graph = b""
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))
    return b"\x08\x08" + field(7, graph)


def truncated(data):
    return data[: len(data) // 2]


def corpus_entries():
    """Yield (file, good or bad, stage of the failure, bytes, note)."""
    good = (
        ("identity-f32", identity(F32, ["N"]), "x float32 [N] -> y, the same"),
        ("identity-image", identity(F32, ["N", 3, 4, 4]), "x float32 [N,3,4,4] -> y, the same"),
        ("identity-string", identity(STRING, ["N"]), "x string [N] -> y, the same"),
    )
    for name, model, note in good:
        yield f"{name}.onnx", "good", "-", model.SerializeToString(), note
    for make in (
        add, across, every_type, odd_names, scalar, no_input, old_inputs,
        brightness, brightness_nhwc, brightness_u8, detector,
    ):  # fmt: skip
        name = make.__name__.replace("_", "-")
        yield f"{name}.onnx", "good", "-", make().SerializeToString(), make.__doc__.splitlines()[0]

    whole = brightness().SerializeToString()
    weighty = raw_weight(
        "weighty", [64], np.arange(64, dtype=np.float32).tobytes()
    ).SerializeToString()
    noise = np.random.default_rng(3).integers(0, 256, 4096, dtype=np.uint8).tobytes()
    load = (
        ("empty", b"", "zero bytes"),
        (
            "text",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
            "an LFS pointer",
        ),
        ("random", noise, "random bytes"),
        ("truncated", truncated(whole), "half of a good model"),
        ("truncated-weights", truncated(weighty), "ends inside a weight"),
        (
            "no-graph",
            b"\x08\x08" + field(2, b"nobody") + field(8, b"\x10\x0d"),
            "valid protobuf, no graph",
        ),
        (
            "length-lie",
            b"\x08\x08" + field(7, b"\x0a\x00", 0x7FFFFFFF),
            "a graph of 2 GB in a few bytes",
        ),
        ("varint-long", b"\x08" + b"\xff" * 40 + b"\x01", "a number that never ends"),
        ("nested", nested_graphs(2000), "2,000 graphs within graphs"),
        ("wrong-output-type", wrong_output_type(), "says int64, gives float32"),
        ("unknown-op", with_node("unknown-op", "Frobnicate"), "no such operator"),
        ("unknown-domain", unknown_domain(), "operator of a domain that nobody registered"),
        ("future-opset", with_node("future-opset", "Relu", opset=9999), "opset 9999"),
        ("undefined-input", undefined_input(), "reads a tensor that nothing writes"),
        ("cycle", cycle(), "two nodes that wait for each other"),
        (
            "external-parent",
            external("external-parent", "../../../../../../etc/passwd"),
            "weights outside the package",
        ),
        (
            "external-absolute",
            external("external-absolute", "/etc/passwd"),
            "weights at an absolute path",
        ),
        (
            "external-missing",
            external("external-missing", "weights.bin"),
            "weights in a file that is not there",
        ),
        (
            "huge-dims",
            raw_weight("huge-dims", [1 << 31, 1 << 31], b"\0" * 16),
            "claims 2^62 weights, has 4",
        ),
        ("negative-dim", raw_weight("negative-dim", [-4], b"\0" * 16), "a weight of -4 elements"),
        (
            "short-weight",
            raw_weight("short-weight", [64], b"\0" * 16),
            "a weight of 64 elements with 4",
        ),
    )
    for name, model, note in load:
        data = model if isinstance(model, bytes) else model.SerializeToString()
        yield f"{name}.onnx", "bad", "load", data, note
    run = (
        ("run-terabyte", asks_for_a_terabyte(), "run", "loads; any run asks for a terabyte"),
        (
            "run-index",
            index_out_of_range(),
            "run",
            "loads; an x outside 0..2 is an index out of range",
        ),
        ("run-forever", never_ends(), "hang", "loads; a run does not end before its timeout"),
    )
    for name, model, stage, note in run:
        yield f"{name}.onnx", "bad", stage, model.SerializeToString(), note


def write_corpus(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["# file\tgood or bad\tfails at (load, run, hang)\tnote"]
    for name, kind, stage, data, note in sorted(corpus_entries()):
        (folder / name).write_bytes(data)
        rows.append("\t".join((name, kind, stage, note)))
    (folder / "MANIFEST.tsv").write_text("\n".join(rows) + "\n")
    print(f"wrote {len(rows) - 1} models to {folder}")


# ---- command line --------------------------------------------------------------------------------

MODELS = {
    "resnet50": resnet50,
    "mobilenetv2": mobilenetv2,
    "squeezenet": squeezenet,
    "bert-base": bert_base,
    "bert-tiny": bert_tiny,
    "echo": echo,
    "add": add,
    "brightness": brightness,
    "detector": detector,
}


def make(name):
    if name.startswith("big") and name[3:].isdigit():
        return big(int(name[3:]))
    if name not in MODELS:
        sys.exit(f"no model named {name}; --list names them")
    return MODELS[name]()


def main():
    parser = argparse.ArgumentParser(description="make ONNX models for benchmarks and tests")
    parser.add_argument("--list", action="store_true", help="name the models")
    parser.add_argument("model", nargs="?", help="a model, bigN (N megabytes), or corpus")
    parser.add_argument("out", nargs="?", type=Path, help="file; for corpus: folder")
    args = parser.parse_args()
    if args.list:
        for name, maker in MODELS.items():
            print(f"{name:12} {maker.__doc__.splitlines()[0]}")
        print(f"{'bigN':12} {big.__doc__}")
        print(f"{'corpus':12} a folder of small models, good and broken")
        return
    if args.model is None or args.out is None:
        parser.error("name a model and where to write it (or --list)")
    if args.model == "corpus":
        write_corpus(args.out)
        return
    data = make(args.model).SerializeToString()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(data)
    print(f"{args.out}: {len(data) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
