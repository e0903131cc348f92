"""Teaches guide's first layers which answer a question asks for: build/trunk.npz.

    python pretrain.py [--steps N]

A question with its chat markup goes through the layers up to model.TOPIC, and a linear
layer that is thrown away afterwards tells the intent from its last position. That takes
a quarter of the time that the whole model needs for a question and the beginning of its
answer, so these layers see five times as many; train.py goes on from them.
"""

import argparse
import json
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from tokenizers import Tokenizer

import chatformat as chat
import model as m
import train as t

ROWS = 16  # of a step
LENGTH = 256
FORGET = 0.1  # of a question's tokens, hidden from the model: it must not lean on single ones


def questions(tok):
    """[(ids, intents)] in which an intent's number plus one stands after the question's last token."""
    asked = [json.loads(line) for line in open(t.BUILD / "questions.jsonl")]
    encoded = tok.encode_batch([chat.prompt([{"role": "user", "content": q}]) for q, _ in asked])
    docs = []
    for e, (_, intent) in zip(encoded, asked):
        told = np.zeros(len(e.ids) + 1, np.float16)
        told[-1] = intent + 1
        docs.append((np.array(e.ids + e.ids[-1:], np.uint16), told))
    return docs, 1 + max(intent for _, intent in asked)


def loss_fn(cfg, markup, params, x, told, first, key):
    hide = jax.random.bernoulli(key, FORGET, x.shape) & ~jnp.isin(x, jnp.array(markup))
    h = m.hidden(cfg, params, jnp.where(hide, markup[0], x)[:, :-1], t.LENGTHS[LENGTH], first)
    score = m.rms(h, 1.0, cfg.eps) @ params["head"]
    asked = told > 0
    intent = jnp.maximum(told - 1, 0)
    nll = jax.nn.logsumexp(score, -1) - jnp.take_along_axis(score, intent[..., None], -1)[..., 0]
    right = (score.argmax(-1) == intent) & asked
    return (nll * asked).sum() / asked.sum(), right.sum() / asked.sum()


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3))
def step_fn(cfg, markup, params, state, x, told, first, lr, step):
    key = jax.random.fold_in(jax.random.PRNGKey(0), step)
    (_, right), grads = jax.value_and_grad(partial(loss_fn, cfg, markup), has_aux=True)(params, x, told, first, key)
    params, state = t.update(params, grads, state, lr, step)
    return t.pinned(params, state) + (right,)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--lr", type=float, default=0.015)
    p.add_argument("--seed", type=int, default=7)
    args = p.parse_args()
    cfg = m.Config()
    tok = Tokenizer.from_file(str(t.BUILD / "tokenizer.json"))
    docs, intents = questions(tok)
    markup = (tok.token_to_id("<|endoftext|>"), *sorted(set(tok.encode(chat.prompt([{"role": "user", "content": ""}])).ids)))
    every = m.init(cfg, args.seed, np.load(t.BUILD / "topics.npz")["codes"])
    params = {k: v[: m.TOPIC + 1] for k, v in every.items() if v.shape[0] == cfg.layers} | {"embed": every["embed"], "head": jnp.zeros((cfg.dim, intents))}
    params, state = t.placed(params)
    x, told, first = t.pack(docs)[LENGTH]
    print(f"{len(docs):,} questions, {len(x):,} rows", flush=True)
    began, mean = time.time(), 0
    for step in range(1, args.steps + 1):
        at = (step - 1) % (len(x) // ROWS) * ROWS
        batch = [part[at : at + ROWS].astype(np.int32) for part in (x, told, first)]
        lr = args.lr * min(1, step / 50, (args.steps + 1 - step) / args.steps / 0.6)
        params, state, right = step_fn(cfg, markup, params, state, *jax.device_put(batch, t.SPLIT), lr, step)
        mean = 0.98 * mean + 0.02 * float(right)
        if step % 50 == 0:
            print(f"step {step} right {mean / (1 - 0.98**step):.4f} {x.shape[1] * ROWS * step / (time.time() - began):.0f} tokens/s", flush=True)
    np.savez(t.BUILD / "trunk.npz", **{k: np.asarray(v) for k, v in params.items()})


if __name__ == "__main__":
    main()
