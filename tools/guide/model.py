"""guide as a JAX function: llama.cpp's "llama" architecture with tied embeddings.

Params are a dict; the matrices of all layers are stacked: (layers, in, out).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp


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


def init(cfg: Config, key):
    k = jax.random.split(key, 8)
    L, D, Q, KV, F = cfg.layers, cfg.dim, cfg.heads * cfg.head_dim, cfg.kv_heads * cfg.head_dim, cfg.ff
    normal = lambda key, *shape: jax.random.normal(key, shape) * shape[-2] ** -0.5
    out = (2 * L) ** -0.5
    return {
        "embed": jax.random.normal(k[0], (cfg.vocab, D)) * 0.02,
        "norm": jnp.ones(D), "attn_norm": jnp.ones((L, D)), "ffn_norm": jnp.ones((L, D)),
        "q": normal(k[1], L, D, Q), "k": normal(k[2], L, D, KV), "v": normal(k[3], L, D, KV), "o": normal(k[4], L, Q, D) * out,
        "gate": normal(k[5], L, D, F), "up": normal(k[6], L, D, F), "down": normal(k[7], L, F, D) * out,
    }


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


def causal_attention(q, k, v, block):
    """(N, T, head_dim) each; blocks of queries see only the keys up to them."""
    T = q.shape[1]
    out = []
    for i in range(0, T, block):
        end = i + block
        s = q[:, i:end] @ k[:, :end].swapaxes(1, 2) * q.shape[-1] ** -0.5
        mask = jnp.arange(end)[None, :] <= jnp.arange(i, end)[:, None]
        p = jnp.exp(jnp.where(mask, jnp.minimum(s, 60.0), -jnp.inf))  # scores this large do not occur
        out.append(p @ v[:, :end] / p.sum(-1, keepdims=True))
    return jnp.concatenate(out, 1)


def forward(cfg: Config, params, tokens, block=128):
    """tokens: (B, T) -> logits (B, T, vocab)."""
    B, T = tokens.shape
    H, G, D = cfg.heads, cfg.kv_heads, cfg.head_dim
    cos, sin = rope_table(cfg, jnp.arange(T))
    heads = lambda x, n: x.reshape(B, T, n, D).swapaxes(1, 2)
    x = params["embed"][tokens]
    for i in range(cfg.layers):
        w = {n: params[n][i] for n in ("attn_norm", "ffn_norm", "q", "k", "v", "o", "gate", "up", "down")}
        h = rms(x, w["attn_norm"], cfg.eps)
        q, k, v = rope(heads(h @ w["q"], H), cos, sin), rope(heads(h @ w["k"], G), cos, sin), heads(h @ w["v"], G)
        k, v = (jnp.repeat(t, H // G, axis=1).reshape(B * H, T, D) for t in (k, v))
        a = causal_attention(q.reshape(B * H, T, D), k, v, block)
        x = x + a.reshape(B, H, T, D).swapaxes(1, 2).reshape(B, T, H * D) @ w["o"]
        h = rms(x, w["ffn_norm"], cfg.eps)
        x = x + (jax.nn.silu(h @ w["gate"]) * (h @ w["up"])) @ w["down"]
    return rms(x, params["norm"], cfg.eps) @ params["embed"].T


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
    return cache, rms(x, params["norm"], cfg.eps) @ params["embed"].T
