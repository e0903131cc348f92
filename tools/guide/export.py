"""Writes build/model.npz as a GGUF of F32, which the Makefile then has Puna quantize.

    python export.py [--model build/model.npz] [--out build/guide-f32.gguf]
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np

import model as m
from tokenizer import BUILD, CONTROL, TEXT

HERE = Path(__file__).parent
ABOUT = ("guide, the tiny chat model built into Puna: {:.1f} million parameters, trained from scratch on a generated corpus of questions "
         "about Puna, plain facts, tool calls, JSON and short stories (tools/guide). It answers questions about Puna and shows the API's "
         "features; it is no general assistant.")


def interleave(w, heads, dim):
    """Rows of a (heads*dim, in) matrix from halves to the pairs of llama.cpp's rotary layout."""
    return w.reshape(heads, 2, dim // 2, -1).swapaxes(1, 2).reshape(heads * dim, -1)


def tensors(cfg, params):
    """GGUF's names and (out, in) matrices."""
    yield "token_embd.weight", params["embed"]
    yield "output_norm.weight", params["norm"]
    yield "output.weight", params["output"]
    for i in range(cfg.layers):
        p = {k: params[k][i] for k in params if k not in ("embed", "norm", "output")}
        for name, w in {
            "attn_norm": p["attn_norm"], "ffn_norm": p["ffn_norm"],
            "attn_q": interleave(p["q"].T, cfg.heads, cfg.head_dim), "attn_k": interleave(p["k"].T, cfg.kv_heads, cfg.head_dim),
            "attn_v": p["v"].T, "attn_output": p["o"].T, "ffn_gate": p["gate"].T, "ffn_up": p["up"].T, "ffn_down": p["down"].T,
        }.items():
            yield f"blk.{i}.{name}.weight", w


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--model", type=Path, default=BUILD / "model.npz")
    p.add_argument("--out", type=Path, default=BUILD / "guide-f32.gguf")
    args = p.parse_args()
    cfg = m.Config()
    z = np.load(args.model)
    params = {k[2:]: z[k] for k in z.files if k.startswith("p.")}
    size = sum(w.size for w in params.values())

    w = gguf.GGUFWriter(args.out, "llama")
    w.add_name("guide")
    w.add_description(ABOUT.format(size / 1e6))
    w.add_author("The Puna authors")
    w.add_license("mit")
    w.add_languages(["en"])
    w.add_repo_url("https://github.com/puna-ai/puna")
    w.add_size_label(f"{size / 1e6:.1f}M")
    w.add_file_type(gguf.LlamaFileType.ALL_F32)
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    w.add_block_count(cfg.layers)
    w.add_context_length(cfg.context)
    w.add_embedding_length(cfg.dim)
    w.add_feed_forward_length(cfg.ff)
    w.add_head_count(cfg.heads)
    w.add_head_count_kv(cfg.kv_heads)
    w.add_layer_norm_rms_eps(cfg.eps)
    w.add_rope_freq_base(cfg.rope_base)
    w.add_rope_dimension_count(cfg.head_dim)
    w.add_vocab_size(cfg.vocab)

    spec = json.loads((BUILD / "tokenizer.json").read_text())
    ids = spec["model"]["vocab"] | {t["content"]: t["id"] for t in spec["added_tokens"]}
    tokens = sorted(ids, key=ids.get)
    assert [ids[t] for t in tokens] == list(range(cfg.vocab))
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL if t in CONTROL else gguf.TokenType.USER_DEFINED if t in TEXT else gguf.TokenType.NORMAL for t in tokens])
    w.add_token_merges([" ".join(pair) for pair in spec["model"]["merges"]])
    w.add_bos_token_id(ids["<|endoftext|>"])
    w.add_eos_token_id(ids["<|im_end|>"])
    w.add_pad_token_id(ids["<|endoftext|>"])
    w.add_add_bos_token(False)
    for key, token in (("fim_pre", "<|fim_prefix|>"), ("fim_suf", "<|fim_suffix|>"), ("fim_mid", "<|fim_middle|>")):
        w.add_uint32(f"tokenizer.ggml.{key}_token_id", ids[token])
    w.add_chat_template((HERE / "chat.jinja").read_text())

    for name, t in tensors(cfg, params):
        w.add_tensor(name, np.ascontiguousarray(t, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
