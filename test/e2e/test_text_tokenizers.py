# SPDX-License-Identifier: Apache-2.0
"""Our tokenizers against the reference implementation: the same numbers, segments and offsets on
thousands of lines in many scripts, for each family of models."""

import io
import json
import subprocess

import pytest

from conftest import BUILD

tokenizers = pytest.importorskip("tokenizers")
import text_support  # noqa: E402 (it wants the reference, too)


def ours(path, texts, *options):
    """Our runner's answers, a dictionary a text (or pair of texts)."""
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run([BUILD / "rouse-runner", "tokenize", path, *options], input=lines,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def theirs(tokenizer, texts):
    tokenizer.no_padding()
    encodings = tokenizer.encode_batch([tuple(t) if isinstance(t, list) else t for t in texts])
    return [{"ids": e.ids, "types": e.type_ids, "offsets": [list(o) for o in e.offsets],
             "special": e.special_tokens_mask} for e in encodings]


def differences(texts, got, want):
    return [(text, g, w) for text, g, w in zip(texts, got, want, strict=True) if g != w]


@pytest.fixture(scope="module")
def texts():
    return text_support.lines() + text_support.special_lines()


@pytest.mark.parametrize("family", text_support.FAMILIES, ids=lambda f: f.__name__)
def test_tokens_are_those_of_the_reference(family, texts, tmp_path):
    reference = family(texts[:text_support.TRAINED_ON])
    path = tmp_path / "tokenizer.json"
    reference.save(str(path))
    limit = ["--max-length", str(reference.truncation["max_length"])] if reference.truncation else []
    if family not in text_support.GREAT_FAMILIES:
        texts = texts[::6]
    pairs = [list(pair) for pair in zip(texts[::9], texts[3::9])]
    if reference.truncation and reference.truncation["strategy"] == "only_second":
        reference.no_truncation()  # one text alone cannot be cut so
        limit = []
    for some in (texts, pairs):
        wrong = differences(some, ours(path, some, *limit), theirs(reference, some))
        assert not wrong, f"{len(wrong)} of {len(some)} differ, the first: {wrong[0]}"


# ---- sentencepiece's own normalizer ----

def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 128:
            return value, at


def field(data, number):
    """The bytes of the first field of that number in a protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 2:
            size, at = varint(data, at)
            if key >> 3 == number:
                return data[at:at + size]
            at += size
        elif key & 7 == 0:
            _, at = varint(data, at)
        else:
            at += 4 if key & 7 == 5 else 8
    raise KeyError(number)


def charsmap():
    """The table that XLM-R, T5 and their like come with: nmt_nfkc, as a fresh model has it."""
    sentencepiece = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g"] * 20), model_writer=model, vocab_size=11,
        normalization_rule_name="nmt_nfkc", minloglevel=2)
    return field(field(model.getvalue(), 3), 2)


def test_precompiled_normalizers(texts, tmp_path):
    reference = text_support.unigram(
        texts[:text_support.TRAINED_ON],
        tokenizers.normalizers.Sequence([
            tokenizers.normalizers.Precompiled(charsmap()),
            tokenizers.normalizers.Replace(tokenizers.Regex(" {2,}"), "▁")]),
        tokenizers.pre_tokenizers.Metaspace())
    path = tmp_path / "tokenizer.json"
    reference.save(str(path))
    got, want = ours(path, texts), theirs(reference, texts)
    wrong = [t for t, g, w in zip(texts, got, want, strict=True) if g["ids"] != w["ids"]]
    assert not wrong, f"{len(wrong)} differ, the first: {wrong[0]}"
    # The reference loses its place in lines where the table removes or expands; where it cannot:
    plain = [i for i, text in enumerate(texts) if text.isascii() and text.isprintable()]
    assert len(plain) > 100 and all(got[i] == want[i] for i in plain)


def test_a_vocab_txt_is_a_bert(texts, tmp_path):
    reference = text_support.bert(texts[:text_support.TRAINED_ON])
    vocab = sorted(reference.get_vocab().items(), key=lambda item: item[1])
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token, _ in vocab))
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    some = texts[::10]
    assert not differences(some, ours(path, some), theirs(reference, some))


@pytest.mark.parametrize("content, message", [
    ("{", "tokenizer.json: JSON line"),
    ('{"model": {"type": "WordLevel", "vocab": {}}}', 'model: type: "WordLevel" is not supported'),
    ("", "tokenizer.json is empty"),
])
def test_a_file_that_is_none_is_named(content, message, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    done = subprocess.run([BUILD / "rouse-runner", "tokenize", path], input="", text=True,
                          capture_output=True)
    assert done.returncode == 1 and message in done.stderr


def test_lines_that_are_no_texts_are_answered_with_errors(texts, tmp_path):
    reference = text_support.bert(texts[:200])
    path = tmp_path / "tokenizer.json"
    reference.save(str(path))
    got = ours(path, [7, ["a"], ["a", None], {"text": "a"}, "fine"])
    assert [("error" in answer) for answer in got] == [True, True, True, True, False]
