# SPDX-License-Identifier: Apache-2.0
"""Texts in many scripts, and small tokenizers of every family trained on them: made here, the same
each time, so that nothing large is kept."""

import random
import unicodedata

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)

LINES = 12000

# Blocks of letters (and of what goes with them), by script.
SCRIPTS = {
    "latin": [(0x41, 0x7a), (0xc0, 0x24f), (0x1e00, 0x1eff)],
    "greek": [(0x370, 0x3ff), (0x1f00, 0x1fff)],
    "cyrillic": [(0x400, 0x4ff)],
    "armenian": [(0x531, 0x58f)],
    "hebrew": [(0x591, 0x5f4)],
    "arabic": [(0x600, 0x6ff), (0xfb50, 0xfdff), (0xfe70, 0xfefc)],
    "devanagari": [(0x901, 0x970)],
    "bengali": [(0x981, 0x9fa)],
    "tamil": [(0xb82, 0xbf2)],
    "thai": [(0xe01, 0xe5b)],
    "tibetan": [(0xf00, 0xfcf)],
    "georgian": [(0x10a0, 0x10fb)],
    "hangul": [(0xac00, 0xd7a3), (0x1100, 0x11f9), (0x3131, 0x318e)],
    "kana": [(0x3041, 0x30ff), (0xff65, 0xff9f)],
    "han": [(0x4e00, 0x9fa5), (0x3400, 0x3500), (0xf900, 0xfa2d), (0x20000, 0x20100)],
    "marks": [(0x300, 0x36f), (0x41, 0x5a), (0x61, 0x7a)],
    "signs": [(0x21, 0x40), (0x5b, 0x60), (0x7b, 0xbf), (0x2010, 0x2047), (0x20a0, 0x20b1),
              (0x2100, 0x214b), (0x2190, 0x21ff), (0x2460, 0x24ea), (0x2600, 0x2671)],
    "compatibility": [(0xfb00, 0xfb06), (0xff01, 0xff5e), (0x3200, 0x33fe), (0x2153, 0x2183),
                      (0x1d400, 0x1d4ff), (0x2f800, 0x2fa1d)],
    "odd": [(0x0, 0x1f), (0x7f, 0xa0), (0x200b, 0x200f), (0x2028, 0x202f), (0xe000, 0xe010),
            (0xfeff, 0xfeff), (0xfffd, 0xfffd), (0x1680, 0x1680), (0x2000, 0x200a)],
}

SPACES = [" "] * 12 + ["  ", "   ", "\t", "\n", "\u00a0", "\u3000", " \n ", "\u2009"]
ENGLISH = """the of and to in a is that for it was on are as with his they at be this from have or
by one had not but what all were when we there can an your which their said if do will each about how
don't we've I'm she'll it's you'd we're function bucket object event model weights 1999 3.14 42 007
naïve café Zürich coöperate İstanbul Straße ΟΔΥΣΣΕΥΣ Ångström""".split()


def characters(ranges):
    """Those whose properties have not changed since Unicode 3.2: all tables agree on them."""
    old = unicodedata.ucd_3_2_0
    return [chr(c) for first, last in ranges for c in range(first, last + 1)
            if not 0xd800 <= c <= 0xdfff
            and (old.category(chr(c)) not in ("Cn", "Cs"))
            and old.category(chr(c)) == unicodedata.category(chr(c))]


def lines(count=LINES, seed=7):
    """Each of words of one script or of several, with spaces and punctuation between."""
    rng = random.Random(seed)
    alphabets = {name: characters(ranges) for name, ranges in SCRIPTS.items()}
    # Words come again, as in a language; frequent ones first.
    words = {name: ["".join(rng.choices(letters, k=rng.randint(1, 7))) for _ in range(200)]
             for name, letters in alphabets.items()}
    words["english"] = ENGLISH
    names = list(words)
    made = []
    for i in range(count):
        mix = [rng.choice(names)] if i % 3 else rng.sample(names, 3) + ["english"]
        line = []
        for _ in range(rng.randint(0, 9)):
            pool = words[rng.choice(mix)]
            line.append(pool[min(int(rng.expovariate(1 / 30)), len(pool) - 1)])
            line.append(rng.choice(SPACES) if rng.random() < 0.9 else rng.choice(".,!?-'(\"[&#"))
        made.append("".join(line))
    return made


def special_lines():
    """What the added tokens of the families look like, in odd places."""
    names = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "<s>", "</s>", "<mask>", "<unk>", "<|endoftext|>",
             "Rouse", "[ MASK ]", "<S>", "[mask]"]
    rng = random.Random(11)
    parts = names + ENGLISH + [" ", "  ", "\n", "x", "é"]
    return ["".join(rng.choices(parts, k=rng.randint(1, 8))) for _ in range(600)]


# ---- the families ----

GPT4_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
                r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TRAINED_ON = 3000  # lines


def wordpiece(texts, normalizer, vocab_size=1500):
    one = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    one.normalizer = normalizer
    one.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    one.train_from_iterator(texts, trainers.WordPieceTrainer(
        vocab_size=vocab_size, show_progress=False, limit_alphabet=700,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    return one


def bert(texts):
    one = wordpiece(texts, normalizers.BertNormalizer(lowercase=True))
    one.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    one.enable_padding(pad_id=0, pad_token="[PAD]")
    return one


def bert_cased(texts):
    one = wordpiece(texts, normalizers.BertNormalizer(lowercase=False, strip_accents=False))
    one.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    one.enable_truncation(24)
    return one


def bytes_bpe(texts, add_prefix_space, specials, normalizer=None, pattern=None):
    one = Tokenizer(models.BPE())
    if normalizer:
        one.normalizer = normalizer
    level = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=not pattern)
    one.pre_tokenizer = level if not pattern else pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), level])
    one.decoder = decoders.ByteLevel()
    one.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=1500, show_progress=False, special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return one


def roberta(texts):
    one = bytes_bpe(texts, False, ["<s>", "<pad>", "</s>", "<unk>"])
    one.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    one.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True,
                                                      add_prefix_space=False)
    return one


def gpt2(texts):
    one = bytes_bpe(texts, True, ["<|endoftext|>"])
    one.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=True)
    one.enable_truncation(10, strategy="only_second", direction="right")
    return one


def modern_bpe(texts):
    """As the newer embedding models: NFC, GPT-4's pattern, a template after the byte level."""
    one = bytes_bpe(texts, False, ["<|endoftext|>", "<s>", "</s>"], normalizers.NFC(), GPT4_PATTERN)
    one.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="$A <|endoftext|>", pair="$A </s> $B:1 <|endoftext|>:1",
                                      special_tokens=[("<|endoftext|>", 0), ("</s>", 2)])])
    one.enable_truncation(16, direction="left")
    return one


def unigram(texts, normalizer, pre_tokenizer):
    one = Tokenizer(models.Unigram())
    one.normalizer = normalizer
    one.pre_tokenizer = pre_tokenizer
    one.train_from_iterator(texts[:300], trainers.UnigramTrainer(
        vocab_size=4000, show_progress=False, unk_token="<unk>", max_piece_length=12,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"]))
    return one


def xlm_roberta(texts):
    one = unigram(texts, normalizers.Sequence([
        normalizers.NFKC(), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), "▁")]),
        pre_tokenizers.Metaspace(prepend_scheme="always"))
    one.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=True)])
    one.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)])
    return one


def albert(texts):
    one = unigram(texts, normalizers.Sequence([
        normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(),
        normalizers.StripAccents(), normalizers.Lowercase()]),
        pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    one.add_tokens([AddedToken("Rouse", single_word=True), AddedToken("naïve", rstrip=True)])
    return one


def sentencepiece_bpe(texts):
    """As Llama's first: bytes for what has no token, unknowns in one."""
    one = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    one.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    one.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=1500, show_progress=False, limit_alphabet=400,
        special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]))
    return one


def character_bpe(texts):
    """As the first GPT: an end-of-word mark, words by white space and punctuation."""
    one = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    one.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Nmt(),
                                           normalizers.Lowercase()])
    one.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.Punctuation("contiguous")])
    one.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=1500, show_progress=False, limit_alphabet=500, end_of_word_suffix="</w>",
        special_tokens=["<unk>"]))
    return one


GREAT_FAMILIES = [bert, roberta, xlm_roberta]  # one of each model: all lines; the others, a part
FAMILIES = [bert, bert_cased, roberta, gpt2, modern_bpe, xlm_roberta, albert, sentencepiece_bpe,
            character_bpe]
