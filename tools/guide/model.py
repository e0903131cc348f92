"""guide as a JAX function: llama.cpp's "llama" architecture.

Params are a dict; the matrices of all layers are stacked: (layers, in, out).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Config:
    vocab: int = 3072
    dim: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    ff: int = 768
    context: int = 2048
    rope_base: float = 10000.0
    eps: float = 1e-5


def init(cfg: Config, seed: int, topics=None):
    """Random weights, but for an induction circuit (Olsson et al. 2022) in two layers, so that
    the model copies from its prompt before it has learned anything: it would take most of a
    short training to find one (the idea of mimetic initialization, Trockman and Kolter 2023).
    With topics, (vocab, heads' values), another layer tells what a question is about."""
    rng = np.random.default_rng(seed)
    L, D, Q, KV, F = cfg.layers, cfg.dim, cfg.heads * cfg.head_dim, cfg.kv_heads * cfg.head_dim, cfg.ff
    normal = lambda *shape: rng.normal(size=shape) * shape[-2] ** -0.5
    params = {
        "embed": rng.normal(size=(cfg.vocab, D)), "norm": np.ones(D), "output": np.zeros((cfg.vocab, D)), "attn_norm": np.ones((L, D)), "ffn_norm": np.ones((L, D)),
        "q": normal(L, D, Q), "k": normal(L, D, KV), "v": normal(L, D, KV), "o": np.zeros((L, Q, D)),
        "gate": normal(L, D, F), "up": normal(L, D, F), "down": np.zeros((L, F, D)),
    }
    induce(cfg, params, rng)
    if topics is not None:
        inform(cfg, params, topics, rng)
    return {k: jnp.asarray(v, jnp.float32) for k, v in params.items()}


CIRCUIT = (0, 2)  # the layers of the induction circuit
LOUD = 4.0  # length of an embedding: layers that learn add to it and shouldn't drown it


def induce(cfg, params, rng):
    """Layer previous tells each position the token before it, and layer match attends to where
    the current token stood before and predicts what followed. Copies a random token of a
    repeated text with 80% accuracy."""
    previous, match = CIRCUIT
    D, d, groups, share = cfg.dim, cfg.head_dim, cfg.kv_heads, cfg.heads // cfg.kv_heads
    frame = lambda n, k: np.linalg.qr(rng.normal(size=(n, k)))[0]  # k orthonormal columns
    rows = lambda m: m / np.linalg.norm(m, axis=1, keepdims=True)
    common = frame(D, 1)[:, 0]  # a direction that all embeddings share, for scores that depend on positions alone
    off = lambda m: m - np.outer(common, common @ m)
    params["embed"][:] = LOUD * rows(rows(off(params["embed"].T).T) + 0.5 * common)

    angle = cfg.rope_base ** (-np.arange(d // 2) / (d // 2))[:12]  # of the pairs that turn fast
    here, before = np.zeros(d), np.zeros(d)
    here[:12], before[:12], before[d // 2 : d // 2 + 12] = 1, np.cos(angle), np.sin(angle)  # they agree one position apart
    slow = np.r_[18 : d // 2, 18 + d // 2 : d]  # dimensions that hardly turn
    told, spoken = frame(D, groups * d), frame(D, groups * d)  # the parts that read a token and foretell it
    params["output"][:] = 2 / LOUD * params["embed"] @ off(told) @ spoken.T
    for g in range(groups):
        kv = slice(g * d, (g + 1) * d)
        seen, written, mixed = off(frame(D, d)), frame(D, d), frame(d, len(slow))
        params["k"][previous][:, kv], params["v"][previous][:, kv] = np.outer(common, before), seen
        key, query = np.zeros((D, d)), np.zeros((D, d))
        key[:, slow], query[:, slow] = written @ mixed, 4 * seen @ mixed
        params["k"][match][:, kv], params["v"][match][:, kv] = key, off(told[:, kv])
        for h in range(g * share, (g + 1) * share):
            head = slice(h * d, (h + 1) * d)
            params["q"][previous][:, head], params["o"][previous][head] = np.outer(common, here), 0.06 * LOUD * written.T / share
            params["q"][match][:, head], params["o"][match][head] = query, 0.3 * LOUD * spoken[:, kv].T / share


TOPIC = 1  # the layer that tells the topic
VOICE = 0.3  # of a topic's part in an embedding, to the length of all of it


def inform(cfg, params, topics, rng):
    """Embeddings get a part that says what each token tells of the topic (topics.py), and layer
    TOPIC adds their mean over all that came before: a bag of words, to begin with."""
    n, share = topics.shape[1], cfg.heads // cfg.kv_heads
    frame = lambda: np.linalg.qr(rng.normal(size=(cfg.dim, n)))[0]
    told, sum_ = frame(), frame()
    size = np.sqrt((topics**2).sum(1).mean())
    params["embed"] += VOICE * LOUD / size * topics @ told.T
    params["q"][TOPIC], params["v"][TOPIC] = 0, told
    for h in range(cfg.heads):
        head, kv = slice(h * cfg.head_dim, (h + 1) * cfg.head_dim), slice(h // share * cfg.head_dim, (h // share + 1) * cfg.head_dim)
        params["o"][TOPIC][head] = 2 * sum_[:, kv].T / share


def count(params):
    return sum(p.size for p in jax.tree.leaves(params))


def rms(x, w, eps):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + eps) * w


def rope_table(cfg, positions):
    freq = cfg.rope_base ** (-jnp.arange(0, cfg.head_dim, 2) / cfg.head_dim)
    angle = positions[..., None] * freq
    return jnp.cos(angle), jnp.sin(angle)


def rope(x, cos, sin):  # x: (..., T, head_dim), halves; export.py interleaves them for GGUF
    a, b = jnp.split(x, 2, -1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], -1)


def causal_attention(q, k, v, block, first):
    """q, k, v: (N, T, head_dim); blocks of queries see only the keys up to them, from first (N, T) on."""
    T = q.shape[1]
    out = []
    for i in range(0, T, block):
        end = i + block
        s = q[:, i:end] @ k[:, :end].swapaxes(1, 2) * q.shape[-1] ** -0.5
        mask = (jnp.arange(end) <= jnp.arange(i, end)[:, None]) & (jnp.arange(end) >= first[:, i:end, None])
        s = jnp.where(mask, s, -jnp.inf)
        p = jnp.exp(s - jax.lax.stop_gradient(s.max(-1, keepdims=True)))
        out.append(p @ v[:, :end] / p.sum(-1, keepdims=True))
    return jnp.concatenate(out, 1)


def forward(cfg: Config, params, tokens, block, first):
    """tokens: (B, T) -> logits (B, T, vocab); first: (B, T), where the document of each token begins."""
    return rms(hidden(cfg, params, tokens, block, first), params["norm"], cfg.eps) @ params["output"].T


def hidden(cfg, params, tokens, block, first):
    """What the layers that params holds make of the tokens: (B, T, dim)."""
    B, T = tokens.shape
    H, G, D = cfg.heads, cfg.kv_heads, cfg.head_dim
    cos, sin = rope_table(cfg, jnp.arange(T))
    first = jnp.repeat(first, H, axis=0)
    heads = lambda x, n: x.reshape(B, T, n, D).swapaxes(1, 2)
    x = params["embed"][tokens]
    for i in range(len(params["q"])):
        w = {n: params[n][i] for n in ("attn_norm", "ffn_norm", "q", "k", "v", "o", "gate", "up", "down")}
        h = rms(x, w["attn_norm"], cfg.eps)
        q, k, v = rope(heads(h @ w["q"], H), cos, sin), rope(heads(h @ w["k"], G), cos, sin), heads(h @ w["v"], G)
        k, v = (jnp.repeat(t, H // G, axis=1).reshape(B * H, T, D) for t in (k, v))
        a = causal_attention(q.reshape(B * H, T, D), k, v, block, first)
        x = x + a.reshape(B, H, T, D).swapaxes(1, 2).reshape(B, T, H * D) @ w["o"]
        h = rms(x, w["ffn_norm"], cfg.eps)
        x = x + (jax.nn.silu(h @ w["gate"]) * (h @ w["up"])) @ w["down"]
    return x


def step_cached(cfg: Config, params, cache, token, pos):
    """One token for each of B sequences: cache (L, 2, B, kv_heads, S, head_dim), pos (B,)."""
    B = token.shape[0]
    H, G, D = cfg.heads, cfg.kv_heads, cfg.head_dim
    cos, sin = rope_table(cfg, pos)
    cos, sin = cos[:, None], sin[:, None]
    x = params["embed"][token]
    rows = jnp.arange(B)
    seen = jnp.arange(cache.shape[4])[None] <= pos[:, None]
    for i in range(cfg.layers):
        h = rms(x, params["attn_norm"][i], cfg.eps)
        q = rope((h @ params["q"][i]).reshape(B, H, D), cos, sin)
        k = rope((h @ params["k"][i]).reshape(B, G, D), cos, sin)
        v = (h @ params["v"][i]).reshape(B, G, D)
        cache = cache.at[i, 0, rows, :, pos].set(k).at[i, 1, rows, :, pos].set(v)
        K, V = cache[i, 0], cache[i, 1]
        s = jnp.einsum("bghd,bgsd->bghs", q.reshape(B, G, H // G, D), K) * D**-0.5
        p = jax.nn.softmax(jnp.where(seen[:, None, None], s, -jnp.inf), -1)
        a = jnp.einsum("bghs,bgsd->bghd", p, V).reshape(B, H * D)
        x = x + a @ params["o"][i]
        h = rms(x, params["ffn_norm"][i], cfg.eps)
        x = x + (jax.nn.silu(h @ params["gate"][i]) * (h @ params["up"][i])) @ params["down"][i]
    return cache, rms(x, params["norm"], cfg.eps) @ params["output"].T
