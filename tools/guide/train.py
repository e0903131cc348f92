"""Trains guide on build/train.jsonl.

    python train.py [--steps N] [--decay N] [--from build/step100.npz] [--minutes N]

Rows of 512 tokens hold whole documents one after another; every fortieth step takes rows
of 2048, so that the model knows distances of its whole context. Matrices learn by Muon
(Jordan et al. 2024), the rest by Adam; the learning rate is constant and falls
linearly in the last --decay steps, so a run can be stopped early or prolonged.
Writes build/model.npz, build/loss.csv and a checkpoint every 50 steps.
"""

import argparse
import csv
import json
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tokenizers import Tokenizer

import model as m

BUILD = Path(__file__).parent / "build"
jax.config.update("jax_compilation_cache_dir", str(BUILD / "xla"))
PROMPT_WEIGHT = 0.1  # of the loss on what the model reads, against 1 on what it writes
TOKENS = 6144  # of a step
MATRICES = ("q", "k", "v", "o", "gate", "up", "down")


def encode():
    """Returns [(ids, weights)] of the documents, in file order."""
    tok = Tokenizer.from_file(str(BUILD / "tokenizer.json"))
    docs, batch = [], []

    def flush():
        flat = tok.encode_batch([t for doc in batch for t, _ in doc])
        it = iter(flat)
        for doc in batch:
            ids, ws = [], []
            for _, learn in doc:
                e = next(it).ids
                ids += e
                ws += [1.0 if learn else PROMPT_WEIGHT] * len(e)
            docs.append((np.array(ids, np.uint16), np.array(ws, np.float16)))
        batch.clear()

    with open(BUILD / "train.jsonl") as f:
        for line in f:
            batch.append(json.loads(line))
            if len(batch) == 2000:
                flush()
    flush()
    return docs


def rows(docs, length):
    """Packs whole documents into rows: (tokens (N, length+1), weights of the targets (N, length))."""
    x, w = [], []
    ids, ws = np.zeros(length + 1, np.uint16), np.zeros(length + 1, np.float16)
    at = 0
    for doc_ids, doc_ws in docs:
        n = min(len(doc_ids), length + 1)
        if at + n > length + 1:
            x.append(ids)
            w.append(ws[1:])
            ids, ws, at = np.zeros_like(ids), np.zeros_like(ws), 0
        ids[at : at + n], ws[at : at + n] = doc_ids[:n], doc_ws[:n]
        at += n
    return np.stack(x), np.stack(w)


def loss_fn(cfg, block, params, x, w):
    logits = m.forward(cfg, params, x[:, :-1], block)
    target = x[:, 1:]
    lse = jax.nn.logsumexp(logits, -1)
    nll = lse - jnp.take_along_axis(logits, target[..., None], -1)[..., 0]
    return (nll * w).sum() / w.sum() + 1e-4 * (w * lse**2).sum() / w.sum(), (nll * (w == 1)).sum() / (w == 1).sum()


def orthogonal(g):
    """Newton-Schulz iteration of Muon on a stack of matrices."""
    flip = g.shape[-2] > g.shape[-1]
    x = g.swapaxes(-1, -2) if flip else g
    x = x / (jnp.linalg.norm(x, axis=(-2, -1), keepdims=True) + 1e-7)
    for _ in range(5):
        a = x @ x.swapaxes(-1, -2)
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x.swapaxes(-1, -2) if flip else x


def update(params, grads, state, lr, step):
    norm = jnp.sqrt(sum((g**2).sum() for g in jax.tree.leaves(grads)))
    grads = jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / (norm + 1e-6)), grads)
    new_p, new_s = {}, {}
    for name, p in params.items():
        g = grads[name]
        if name in MATRICES:
            mom = 0.95 * state[name] + g
            o = orthogonal(g + 0.95 * mom) * max(1, p.shape[-1] / p.shape[-2]) ** 0.5
            new_p[name], new_s[name] = p * (1 - 0.05 * lr) - lr * o, mom
        else:
            m1, m2 = state[name]
            m1, m2 = 0.9 * m1 + 0.1 * g, 0.98 * m2 + 0.02 * g * g
            hat = (m1 / (1 - 0.9**step)) / (jnp.sqrt(m2 / (1 - 0.98**step)) + 1e-9)
            new_p[name], new_s[name] = p - lr * 0.15 * hat, (m1, m2)
    return new_p, new_s


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3))
def train_step(cfg, block, params, state, x, w, lr, step):
    (_, nll), grads = jax.value_and_grad(partial(loss_fn, cfg, block), has_aux=True)(params, x, w)
    params, state = update(params, grads, state, lr, step)
    return params, state, nll


def save(path, params, state, step):
    flat = {f"p.{k}": v for k, v in params.items()} | {f"s.{k}": np.stack(v) if isinstance(v, tuple) else v for k, v in state.items()}
    tmp = path.with_suffix(".tmp.npz")
    np.savez(tmp, step=step, **{k: np.asarray(v) for k, v in flat.items()})
    tmp.rename(path)


def load(path):
    z = np.load(path)
    params = {k[2:]: jnp.asarray(z[k]) for k in z.files if k.startswith("p.")}
    state = {k[2:]: jnp.asarray(z[k]) if k[2:] in MATRICES else tuple(jnp.asarray(z[k])) for k in z.files if k.startswith("s.")}
    return params, state, int(z["step"])


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--steps", type=int, default=1500)
    p.add_argument("--decay", type=int, default=900)
    p.add_argument("--lr", type=float, default=0.02)
    p.add_argument("--minutes", type=float, help="end after this time, the learning rate falling all the while")
    p.add_argument("--seed", type=int, default=7)
    p.add_argument("--from", dest="start", type=Path)
    args = p.parse_args()
    cfg = m.Config()
    params = m.init(cfg, jax.random.key(args.seed))
    state = {k: jnp.zeros_like(v) if k in MATRICES else (jnp.zeros_like(v), jnp.zeros_like(v)) for k, v in params.items()}
    first = 0
    if args.start:
        params, state, first = load(args.start)
    t0 = time.time()
    docs = encode()
    rng = np.random.default_rng(args.seed)
    short, long = rows(docs, 512), rows(docs, cfg.context)
    print(f"{m.count(params):,} parameters, {len(docs):,} documents, {sum(len(d[0]) for d in docs):,} tokens, "
          f"{len(short[0]):,} rows, {jax.devices()[0]}, {time.time() - t0:.0f} s to encode", flush=True)
    order = {id(s): rng.permutation(len(s[0])) for s in (short, long)}

    log = open(BUILD / "loss.csv", "a" if args.start else "w", newline="")
    out = csv.writer(log)
    t0, mean = time.time(), None
    for step in range(first + 1, args.steps + 1):
        data = long if step % 40 == 0 else short
        n = TOKENS // (data[0].shape[1] - 1)
        at = (step * n) % (len(data[0]) - n)
        idx = order[id(data)][at : at + n]
        left = 1 - (time.time() - t0) / (60 * args.minutes) if args.minutes else 1
        if left <= 0:
            break
        lr = args.lr * min(1, step / 60, (args.steps + 1 - step) / args.decay, left)
        block = 256 if data is long else 128
        params, state, nll = train_step(cfg, block, params, state, jnp.asarray(data[0][idx], jnp.int32), jnp.asarray(data[1][idx], jnp.float32), lr, step)
        nll = float(nll)
        mean = nll if mean is None else 0.95 * mean + 0.05 * nll
        out.writerow([step, f"{nll:.4f}", f"{lr:.5f}", f"{time.time() - t0:.1f}"])
        if step % 20 == 0:
            log.flush()
            print(f"step {step} loss {mean:.4f} lr {lr:.4f} {TOKENS * (step - first) / (time.time() - t0):.0f} tokens/s", flush=True)
        if step % 50 == 0:
            save(BUILD / f"step{step}.npz", params, state, step)
    save(BUILD / "model.npz", params, state, step)


if __name__ == "__main__":
    main()
