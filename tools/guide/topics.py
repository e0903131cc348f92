"""Learns from the phrasings alone which tokens speak for which answer: build/topics.npz.

A linear classifier of bags of tokens, trained in half a minute, chooses the right answer
for 87 of 100 questions that it never saw; a model that begins with random weights takes
most of its training to come as far. So guide begins with what the classifier knows
(model.py, inform): for each token a vector, whose sum over a question tells the topic.
Writes build/questions.jsonl too, from which pretrain.py learns more.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

import corpus
import facts
from values import Values

BUILD = Path(__file__).parent / "build"
BATCH, EPOCHS, RATE = 512, 2, 0.03
TIMES = 6  # that each phrasing is asked in questions.jsonl
WIDTH = 128  # of a token's vector


def questions(c, rng, each):
    """Questions of the training and the number of their intent."""
    held = corpus.held_questions(json.loads((BUILD / "eval.json").read_text()))
    out = []
    for number, intent in enumerate(c.intents):
        for phrase in intent.phrases * each:
            v = Values(rng)
            for slot in ("{m}", "{n}"):
                phrase = phrase.replace(slot, v.model())
            question = facts.ask(phrase, rng, facts.FRAMES, True)
            if corpus.norm(question) not in held:
                out.append((question, number))
    rng.shuffle(out)
    return out


def classify(bags, labels, vocab, classes):
    """Softmax regression by Adam: weights (vocab, classes)."""
    w, bias = np.zeros((vocab, classes), np.float32), np.zeros(classes, np.float32)
    m, v = np.zeros_like(w), np.zeros_like(w)
    steps = EPOCHS * len(bags) // BATCH
    for step in range(1, steps + 1):
        some = np.arange((step - 1) * BATCH, step * BATCH) % len(bags)
        x = np.zeros((BATCH, vocab), np.float32)
        for row, i in enumerate(some):
            x[row, bags[i]] = 1
        score = x @ w + bias
        p = np.exp(score - score.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(BATCH), labels[some]] -= 1
        g = x.T @ p / BATCH
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        rate = RATE * (1 - step / steps)
        w -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-8)
        bias -= 5 * rate * p.sum(0) / BATCH
    return w


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seed", type=int, default=7)
    args = p.parse_args()
    tok = Tokenizer.from_file(str(BUILD / "tokenizer.json"))
    c = corpus.Corpus(args.seed)
    asked = questions(c, random.Random(args.seed), TIMES)
    (BUILD / "questions.jsonl").write_text("".join(json.dumps(q) + "\n" for q in asked))
    asked = asked[: len(asked) * 2 // TIMES]
    bags = [sorted(set(e.ids)) for e in tok.encode_batch([q for q, _ in asked])]
    w = classify(bags, np.array([n for _, n in asked]), tok.get_vocab_size(), len(c.intents))
    u, s, _ = np.linalg.svd(w, full_matrices=False)
    codes = np.zeros((len(w), WIDTH), np.float32)
    codes[:, : min(len(s), WIDTH)] = (u * s)[:, :WIDTH]
    np.savez(BUILD / "topics.npz", codes=codes)
    print(f"{len(asked):,} questions, {len(c.intents)} answers, vectors of {WIDTH} for {len(w):,} tokens")


if __name__ == "__main__":
    main()
