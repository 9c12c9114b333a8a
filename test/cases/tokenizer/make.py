#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the good cases of this folder: NAME.json is a small tokenizer, NAME.tsv what the reference
implementation makes of some texts, for test/unit/text/tokenizer.c.

    pip install tokenizers
    python3 make.py

A line of a .tsv: the text (or the two) as JSON, then `id:segment:from-to` for each token, with a
star where it is a special one of the template. Bad cases are written by hand.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent


def numbered(*tokens):
    return {token: i for i, token in enumerate(tokens)}


def special(name, segment=0):
    return {"SpecialToken": {"id": name, "type_id": segment}}


def sequence(name, segment=0):
    return {"Sequence": {"id": name, "type_id": segment}}


def template(single, pair, **ids):
    names = {name: {"id": name, "ids": value, "tokens": [name] * len(value)}
             for name, value in ids.items()}
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": names}


def added(*tokens):
    """(id, content, flags): w alone, l and r take white space in, n normalized."""
    return [{"id": i, "content": content, "single_word": "w" in flags, "lstrip": "l" in flags,
             "rstrip": "r" in flags, "normalized": "n" in flags, "special": True}
            for i, content, flags in tokens]


def wordpiece(vocab):
    return {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 20, "vocab": vocab}


def bpe(vocab, merges, **more):
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "ignore_merges": False, "vocab": vocab, "merges": merges, **more}


def unigram(vocab, byte_fallback=False):
    return {"type": "Unigram", "unk_id": 3, "vocab": vocab, "byte_fallback": byte_fallback}


def byte_level(prefix, trim=True, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim,
            "use_regex": regex}


def metaspace(scheme="always", split=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def truncation(length, strategy="LongestFirst", direction="Right"):
    return {"direction": direction, "max_length": length, "strategy": strategy, "stride": 0}


SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BERT = {
    "model": wordpiece(numbered(
        *SPECIALS, "the", "cat", "sat", "##s", "##ting", "run", "##n", "##ing", ".", ",", "cafe",
        "uber", "東", "京", "strasse", "a", "##b", "##c", "!", "[", "]", "cls")),
    "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                   "strip_accents": None, "lowercase": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": template(
        [special("[CLS]"), sequence("A"), special("[SEP]")],
        [special("[CLS]"), sequence("A"), special("[SEP]"), sequence("B", 1), special("[SEP]", 1)],
        **{"[CLS]": [2], "[SEP]": [3]}),
    "added_tokens": added(*((i, name, "") for i, name in enumerate(SPECIALS))),
}

MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d", "Ġwor ld", "Ġ hello", "' s"]


def bytes_vocab():
    """Four specials, the 256 signs of bytes, and what the merges make."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs = shown + [256 + i for i in range(256 - len(shown))]
    vocab = numbered("<s>", "<pad>", "</s>", "<mask>", *(chr(c) for c in sorted(signs)))
    for merge in MERGES:
        vocab.setdefault(merge.replace(" ", ""), len(vocab))
    return vocab


UNIGRAM = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁", -2.5], ["▁he", -4.0],
           ["llo", -4.1], ["▁hello", -5.0], ["wor", -3.9], ["ld", -4.2], ["▁world", -5.5],
           ["h", -6.0], ["e", -6.1], ["l", -6.2], ["o", -6.3], ["w", -6.4], ["r", -6.5],
           ["d", -6.6]]
BYTES = [f"<0x{i:02X}>" for i in range(256)]
GPT4 = (r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
        r"\s+(?!\S)|\s+")

CASES = {
    "bert": (BERT | {"padding": {"strategy": "BatchLongest", "direction": "Right",
                                 "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
                                 "pad_token": "[PAD]"}},
             ["", "the cat sat.", "The CATS sitting, running!", "Café über 東京strasse",
              "a\u0301bc ab abc", "[CLS] [cls]! [MASK]cat", "\x00 \u200bthe\ufffd\tcat\u00a0sat",
              ["the cat", "sat."], ["", ""], ["the", "CAFÉ!"], "x" * 21, "é" * 20, "the" * 7]),
    "bert-cut": (BERT | {"truncation": truncation(6)},
                 ["the cat sat the cat sat", "the", ["the cat sat", "the cat"],
                  ["the", "the cat sat the cat"], ["the cat sat the", "a"]]),
    "bert-cut-left": (BERT | {"truncation": truncation(7, "OnlyFirst", "Left")},
                      ["the cat sat the cat . , !", ["the cat sat the cat", "a ."]]),
    "wordpiece-plain": ({"model": {"unk_token": "?", "continuing_subword_prefix": "",
                                   "max_input_chars_per_word": 5, "type": "WordPiece",
                                   "vocab": numbered("?", "a", "b", "ab", "abc")},
                         "pre_tokenizer": {"type": "WhitespaceSplit"}},
                        ["ab abc abab aabcb x abx ababab"]),
    "bytes": ({"model": bpe(bytes_vocab(), MERGES), "pre_tokenizer": byte_level(False)},
              ["hello world", "hello's", "  hello  world ", "heLLo\n\nworld", "é東🙂",
               "hello\u00a0world's 123 'sx"]),
    "bytes-roberta": ({"model": bpe(bytes_vocab(), MERGES), "pre_tokenizer": byte_level(True),
                       "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2],
                                          "cls": ["<s>", 0], "trim_offsets": True,
                                          "add_prefix_space": True},
                       "added_tokens": added((0, "<s>", ""), (1, "<pad>", ""), (2, "</s>", ""),
                                             (3, "<mask>", "l"))},
                      ["hello world", "  hello", "hello <mask> world", "<mask>", "hello  <mask>",
                       ["hello", "world"], "</s>hello"]),
    "bytes-pairs": ({"model": bpe(bytes_vocab(), [m.split(" ") for m in MERGES],
                                  ignore_merges=True),
                     "normalizer": {"type": "NFC"},
                     "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                         split({"Regex": GPT4}, "Isolated"), byte_level(False, True, False)]},
                     "post_processor": {"type": "Sequence", "processors": [
                         byte_level(True, False),
                         template([sequence("A"), special("</s>")],
                                  [sequence("B"), sequence("A", 7)], **{"</s>": [2, 2]})]}},
                    ["hello world", "HELLO'S e\u0301 1234", ["hello", " world"]]),
    "unigram": ({"model": unigram(UNIGRAM),
                 "normalizer": {"type": "Sequence", "normalizers": [
                     {"type": "NFKC"}, {"type": "Strip", "strip_left": False, "strip_right": True},
                     {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}]},
                 "pre_tokenizer": metaspace()},
                ["hello world", "  hello  world  ", "hellox world", "ｈｅｌｌｏ", "xyz hello",
                 "wor ld", "he\ufb01"]),
    "unigram-whole": ({"model": unigram(UNIGRAM), "normalizer": {"type": "Lowercase"},
                       "pre_tokenizer": metaspace("first", False),
                       "added_tokens": added((18, "<x>", "w"), (19, "HE", "nr"))},
                      ["Hello WORLD", "a <x> hello", "a<x>b hello", "he  lo", "HE hello"]),
    "unigram-bytes": ({"model": unigram(UNIGRAM + [[b, 0.0] for b in BYTES], True),
                       "pre_tokenizer": metaspace()},
                      ["hello é", "x world"]),
    "bpe-signs": ({"model": bpe(numbered("<unk>", "h", "e", "l", "o</w>", "o", "he", "ll", "hell",
                                         "hello</w>", "w", "lo</w>"),
                                ["h e", "l l", "he ll", "hell o</w>", "l o</w>"],
                                unk_token="<unk>", end_of_word_suffix="</w>"),
                   "normalizer": {"type": "NFD"},
                   "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                       {"type": "Whitespace"}, {"type": "Digits", "individual_digits": True},
                       {"type": "Punctuation", "behavior": "Contiguous"}]}},
                  ["hello hell o", "héllo wxyz", "lo12lo --!?lo"]),
    "bpe-unknown": ({"model": bpe(numbered("<unk>", "a", "b", "ab"), ["a b"], unk_token="<unk>",
                                  fuse_unk=True),
                     "normalizer": {"type": "StripAccents"}},
                    ["abxyzab", "é", "xéaab"]),
    "bpe-inner": ({"model": bpe(numbered("a", "##b", "##c", "ab", "##bc", "abc"),
                                ["a ##b", "##b ##c", "ab ##c"], continuing_subword_prefix="##"),
                   "pre_tokenizer": {"type": "WhitespaceSplit"}},
                  ["abc ab acb axb bb"]),
    "bpe-fallback": ({"model": bpe(numbered("<unk>", "▁", "a", "▁a", *BYTES), ["▁ a"],
                                   unk_token="<unk>", fuse_unk=True, byte_fallback=True),
                      "normalizer": {"type": "Sequence", "normalizers": [
                          {"type": "Prepend", "prepend": "▁"},
                          {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}},
                     ["a a", "aé a", " a"]),
    "cuts": ({"model": wordpiece(numbered("[UNK]", "a", "b", "##b", "##a", "-", "1", "##1", "##2")),
              "normalizer": {"type": "Nmt"},
              "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                  split({"String": "-"}, "MergedWithPrevious"), split({"Regex": r"\s"}, "Removed"),
                  split({"Regex": r"\d+"}, "MergedWithNext", True), {"type": "Punctuation"},
                  {"type": "Digits", "individual_digits": False}]}},
             ["a\u200bb a\x01b-ab a12b\u2581a", "-a--b-"]),
}


def main():
    for name, (parts, texts) in CASES.items():
        whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
                 "normalizer": None, "pre_tokenizer": None, "post_processor": None,
                 "decoder": None, **parts}
        text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
        (HERE / f"{name}.json").write_text(text + "\n")
        reference = Tokenizer.from_str(text)
        reference.no_padding()
        with open(HERE / f"{name}.tsv", "w") as out:
            for one in texts:
                e = reference.encode(*([one] if isinstance(one, str) else one))
                tokens = zip(e.ids, e.type_ids, e.offsets, e.special_tokens_mask)
                out.write(json.dumps(one) + "\t" + " ".join(
                    f"{i}:{segment}:{begin}-{end}{'*' if mask else ''}"
                    for i, segment, (begin, end), mask in tokens) + "\n")


if __name__ == "__main__":
    main()
