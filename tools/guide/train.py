"""Trains guide on build/train.jsonl.

    python train.py [--steps N] [--decay N] [--from build/step100.npz] [--minutes N]

Rows of 256, 512 or 1024 tokens hold whole documents one after another, in file order,
and a document sees only itself. Matrices learn by Muon (Jordan et al. 2024), the rest by
Adam; the learning rate is constant and falls linearly in the last --decay steps, so a
run can be stopped early or prolonged.
Writes build/model.npz, build/loss.csv and a checkpoint every 50 steps.
"""

import argparse
import csv
import json
import os
import time
from functools import partial
from pathlib import Path

# Two devices on the CPU keep two cores busier than two threads of one device do.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tokenizers import Tokenizer

import model as m

BUILD = Path(__file__).parent / "build"
jax.config.update("jax_compilation_cache_dir", str(BUILD / "xla"))
PROMPT_WEIGHT = 0.1  # of the loss on what the model reads, against 1 on what it writes
TOKENS = 4096  # of a step
LENGTHS = {256: 64, 512: 64, 1024: 128}  # of rows, and of their blocks of attention
MESH = Mesh(np.array(jax.devices()[:2]), ("device",))
SPLIT, WHOLE = NamedSharding(MESH, PartitionSpec("device")), NamedSharding(MESH, PartitionSpec())
ATTENTION = {"q": 0.4, "k": 0.4, "v": 1, "o": 1}  # of the learning rate: scores grow with both q and k
MADE = 0.03  # of it where weights begin as something: an orthogonal step moves all directions alike
TRUNK = 0.3  # of it for the layers that pretrain.py taught
DECAY = 0.15  # of the matrices' weights
SINGLE = {"output": 0.5, "head": 0.5}  # of the learning rate, for what Adam changes; others: 0.1
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


OPEN = 64  # rows of each length that still take documents


def pack(docs):
    """Whole documents in rows, in file order: each in the row where it leaves the least room, or
    in a new one of the shortest length that it fits in; no document is longer than all.
    Returns {length: (tokens (N, length+1), weights of the targets (N, length), and for each
    position where its document begins (N, length))}."""
    full, taking = {n: [] for n in LENGTHS}, {n: [] for n in LENGTHS}
    for i, (ids, _) in enumerate(docs):
        fits = [(n + 1 - row[0], n, row) for n in LENGTHS for row in taking[n] if row[0] + len(ids) <= n + 1]
        if fits:
            row = min(fits, key=lambda f: f[0])[2]
        else:
            n = min(n for n in LENGTHS if len(ids) <= n + 1)
            row = [0, []]  # tokens, documents
            full[n].append(row)
            taking[n] = taking[n][-OPEN + 1 :] + [row]
        row[0] += len(ids)
        row[1].append(i)
    return {n: fill([[docs[i] for i in row[1]] for row in full[n]], n) for n in LENGTHS}


def fill(packed, length):
    x = np.zeros((len(packed), length + 1), np.uint16)
    w = np.zeros((len(packed), length + 1), np.float16)
    first = np.zeros((len(packed), length + 1), np.uint16)
    for row, documents in enumerate(packed):
        at = 0
        for ids, ws in documents:
            end = at + len(ids)
            x[row, at:end], w[row, at:end], first[row, at:] = ids, ws, at
            w[row, at] = 0  # nothing of this document foretells its first token
            at = end
    return x, w[:, 1:], first[:, :-1]


def turn(pools, step):
    """The length of a step's rows: all pools come to their end together."""
    sizes = {n: n * len(p[0]) for n, p in pools.items()}
    end = np.cumsum(list(sizes.values())) / sum(sizes.values())
    at = step * 0.6180339887 % 1  # the golden ratio spreads turns evenly
    return list(sizes)[int(np.searchsorted(end, at, side="right"))]


def loss_fn(cfg, block, params, x, w, first):
    logits = m.forward(cfg, params, x[:, :-1], block, first)
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


def rates(name, layers, trunk=1.0):
    """Of the learning rate, for each layer of a stack of matrices: (layers, 1, 1)."""
    layer = np.arange(layers)
    made = np.isin(layer, m.CIRCUIT) & (name in ATTENTION) | (layer == m.TOPIC) & (name in ("v", "o"))
    rate = np.where(made, MADE, ATTENTION.get(name, 1.0) * np.where(layer > m.TOPIC, 1.0, trunk))
    return rate.astype(np.float32)[:, None, None]


def update(params, grads, state, lr, step, trunk=1.0):
    norm = jnp.sqrt(sum((g**2).sum() for g in jax.tree.leaves(grads)))
    grads = jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / (norm + 1e-6)), grads)
    new_p, new_s = {}, {}
    for name, p in params.items():
        g = grads[name]
        if name in MATRICES:
            mom = 0.95 * state[name] + g
            o = orthogonal(g + 0.95 * mom) * max(1, p.shape[-1] / p.shape[-2]) ** 0.5
            rate = lr * rates(name, p.shape[0], trunk)
            new_p[name], new_s[name] = p * (1 - DECAY * rate) - rate * o, mom
        else:
            m1, m2 = state[name]
            m1, m2 = 0.9 * m1 + 0.1 * g, 0.98 * m2 + 0.02 * g * g
            hat = (m1 / (1 - 0.9**step)) / (jnp.sqrt(m2 / (1 - 0.98**step)) + 1e-9)
            new_p[name], new_s[name] = p - lr * SINGLE.get(name, 0.1) * hat, (m1, m2)
    return new_p, new_s


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3))
def train_step(cfg, block, params, state, x, w, first, lr, step):
    """Each device takes half of the rows, and the momentum of half of the layers."""
    (_, nll), grads = jax.value_and_grad(partial(loss_fn, cfg, block), has_aux=True)(params, x, w, first)
    params, state = update(params, grads, state, lr, step, TRUNK)
    return pinned(params, state) + (nll,)


def pinned(params, state):
    pin = jax.lax.with_sharding_constraint
    return pin(params, WHOLE), {k: pin(v, SPLIT if k in MATRICES else WHOLE) for k, v in state.items()}


def placed(params, state=None):
    """On the devices; without a state, one to begin with."""
    state = state or {k: jnp.zeros_like(v) if k in MATRICES else (jnp.zeros_like(v), jnp.zeros_like(v)) for k, v in params.items()}
    return jax.device_put(params, WHOLE), {k: jax.device_put(v, SPLIT if k in MATRICES else WHOLE) for k, v in state.items()}


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


def begin(cfg, seed):
    """Random weights, but for the circuits of model.py and the layers of pretrain.py."""
    params = m.init(cfg, seed, np.load(BUILD / "topics.npz")["codes"])
    trunk = np.load(BUILD / "trunk.npz")
    for name in trunk.files:
        if name in params:
            params[name] = params[name].at[: len(trunk[name])].set(trunk[name])
    return params


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--steps", type=int, default=2500)
    p.add_argument("--decay", type=int, default=1900)
    p.add_argument("--lr", type=float, default=0.015)
    p.add_argument("--minutes", type=float, help="end after this time, the learning rate falling all the while")
    p.add_argument("--seed", type=int, default=7)
    p.add_argument("--from", dest="start", type=Path)
    args = p.parse_args()
    cfg = m.Config()
    params, state, first = load(args.start) if args.start else (begin(cfg, args.seed), None, 0)
    params, state = placed(params, state)
    t0 = time.time()
    docs = encode()
    pools = pack(docs)
    print(f"{m.count(params):,} parameters, {len(docs):,} documents, {sum(len(d[0]) for d in docs):,} tokens, "
          f"rows: {({n: len(p[0]) for n, p in pools.items()})}, {jax.devices()[0]}, {time.time() - t0:.0f} s to encode", flush=True)

    log = open(BUILD / "loss.csv", "a" if args.start else "w", newline="")
    out = csv.writer(log)
    t0, mean = time.time(), None
    for step in range(first + 1, args.steps + 1):
        length = turn(pools, step)
        n = TOKENS // length
        at = int((step - 1) / args.steps * (len(pools[length][0]) - n))  # one pass, however many the steps
        x, w, start = (part[at : at + n] for part in pools[length])
        left = 1 - (time.time() - t0) / (60 * args.minutes) if args.minutes else 1
        if left <= 0:
            break
        lr = args.lr * min(1, step / 100, (args.steps + 1 - step) / args.decay, left)
        batch = jax.device_put((x.astype(np.int32), w.astype(np.float32), start.astype(np.int32)), SPLIT)
        params, state, nll = train_step(cfg, LENGTHS[length], params, state, *batch, lr, step)
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
