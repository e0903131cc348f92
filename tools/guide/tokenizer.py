"""Trains guide's tokenizer: byte-level BPE with Qwen2's splits ("qwen2" to llama.cpp).

Merges are learned from words without what stands before them (a space, a quote, a
slash); only then come merges that put a space before whole words. So a name is made
of the same tokens in a question, in JSON and in a path, and a small model can copy
it. Digits stay single.

    python tokenizer.py
"""

import json
from collections import Counter
from itertools import islice
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

BUILD = Path(__file__).parent / "build"
VOCAB = 3072
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
TEXT = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tools>", "</tools>"]  # tokens that detokenize to themselves
SPACED = 1050  # merges of a space and a whole word
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def split(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def texts(every=3):
    """Every so-manieth document of the corpus."""
    with open(BUILD / "train.jsonl") as f:
        for line in islice(f, 0, None, every):
            text = "".join(t for t, _ in json.loads(line))
            for mark in CONTROL + TEXT:
                text = text.replace(mark, "\n")
            yield text


def train():
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = split(r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+|\s+")
    trainer = trainers.BpeTrainer(vocab_size=VOCAB - len(CONTROL + TEXT) - SPACED, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False, max_token_length=16)
    bare.train_from_iterator(texts(), trainer)
    spec = json.loads(bare.to_str())["model"]
    vocab, merges = spec["vocab"], [tuple(m) for m in spec["merges"]]

    full = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    full.pre_tokenizer = split(SPLIT)
    pairs = Counter()
    for text in texts(7):
        for word, _ in full.pre_tokenizer.pre_tokenize_str(text):
            if len(word) > 1 and (word[1:] in vocab) and not word[-1].isdigit():
                pairs[word[0], word[1:]] += 1
    for (a, b), _ in sorted(pairs.items(), key=lambda kv: (-kv[1], kv[0])):
        if len(vocab) >= VOCAB - len(CONTROL + TEXT):
            break
        if a + b not in vocab:
            vocab[a + b] = len(vocab)
            merges.append((a, b))
    full = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    full.pre_tokenizer = split(SPLIT)
    full.decoder = decoders.ByteLevel()
    full.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
    full.add_tokens([AddedToken(t, special=False, normalized=False) for t in TEXT])
    return full


if __name__ == "__main__":
    tok = train()
    tok.save(str(BUILD / "tokenizer.json"))
    n = c = 0
    for text in texts(50):
        ids = tok.encode(text).ids
        assert tok.decode(ids) == text, text
        n, c = n + len(ids), c + len(text)
    print(f"{tok.get_vocab_size()} tokens, {c / n:.2f} characters per token")
    for s in (' called Zorvik and "Zorvik" in Paris, "city": "Paris"', "ollama run /api/chat num_ctx 4096 `puna rm tiny`"):
        print(tok.encode(s).tokens)
