"""Answers build/eval.json greedily and writes the table and the failures.

    python evaluate.py [--model build/model.npz]            in JAX, while training
    python evaluate.py --url http://127.0.0.1:11434         through a running `puna serve`

A text answer is right when it holds every keyword of its case; a tool call when its
name and all its arguments are right. Exits with 1 under the bars (90% of the questions
about Puna, 90% of the tool calls).
"""

import argparse
import json
import re
import sys
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUILD = Path(__file__).parent / "build"
BARS = {"puna": 0.90, "tools": 0.90}
LIMIT = 160  # tokens of an answer


def parse(text):
    """Splits an answer into (content, calls)."""
    text = re.sub(r"^<think>.*?</think>\s*", "", text, flags=re.S)
    calls = []
    for body in re.findall(r"<tool_call>\s*(.*?)\s*</tool_call>", text, flags=re.S):
        try:
            calls.append(json.loads(body))
        except json.JSONDecodeError:
            calls.append({"name": "(no JSON)", "arguments": body})
    return re.sub(r"<tool_call>.*?</tool_call>", "", text, flags=re.S).strip(), calls


def right(case, text, calls):
    if case["call"]:
        return calls == [case["call"]]
    return not calls and all(k in text.lower() for k in case["must"])


def answer_jax(cases, path):
    import jax
    import jax.numpy as jnp
    import numpy as np
    from tokenizers import Tokenizer

    import chatformat
    import model as m

    cfg = m.Config()
    z = np.load(path)
    params = {k[2:]: jnp.asarray(z[k]) for k in z.files if k.startswith("p.")}
    tok = Tokenizer.from_file(str(BUILD / "tokenizer.json"))
    end = tok.token_to_id("<|im_end|>")
    prompts = [tok.encode(chatformat.prompt(c["messages"], c["tools"], c["think"])).ids for c in cases]
    step = jax.jit(lambda p, c, t, pos: m.step_cached(cfg, p, c, t, pos), donate_argnums=1)
    order = sorted(range(len(cases)), key=lambda i: len(prompts[i]))
    out, B = [None] * len(cases), 64
    for at in range(0, len(order), B):
        idx = order[at : at + B]
        lens = np.array([len(prompts[i]) for i in idx] + [1] * (B - len(idx)))
        size = -(-(max(lens) + LIMIT) // 256) * 256
        cache = jnp.zeros((cfg.layers, 2, B, cfg.kv_heads, size, cfg.head_dim))
        pad = np.zeros((B, size), np.int32)
        for row, i in enumerate(idx):
            pad[row, : lens[row]] = prompts[i]
        ids, done = [[] for _ in range(B)], lens == 1
        pos, token = np.zeros(B, np.int32), pad[:, 0]
        for t in range(size - 1):  # prompts and answers go through the same step
            cache, logits = step(params, cache, jnp.asarray(token), jnp.asarray(pos))
            best = np.asarray(logits.argmax(-1))
            pos = pos + 1
            for row in range(B):
                if pos[row] < lens[row]:
                    token[row] = pad[row, pos[row]]
                    continue
                token[row] = best[row]
                if not done[row]:
                    done[row] = best[row] == end or len(ids[row]) >= LIMIT
                    if not done[row]:
                        ids[row].append(int(best[row]))
            if done.all():
                break
        for row, i in enumerate(idx):
            out[i] = parse(tok.decode(ids[row], skip_special_tokens=False))
    return out


def answer_http(cases, url, name):
    def ask(c):
        messages = [m | {"tool_calls": [{"function": t} for t in m.get("tool_calls", [])]} for m in c["messages"]]
        body = {"model": name, "messages": messages, "think": c["think"], "stream": False,
                "options": {"temperature": 0, "num_predict": LIMIT}}
        if c["tools"]:
            body["tools"] = [{"type": "function", "function": t} for t in c["tools"]]
        req = urllib.request.Request(url + "/api/chat", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(req) as r:
            msg = json.load(r)["message"]
        calls = [{"name": t["function"]["name"], "arguments": t["function"]["arguments"]} for t in msg.get("tool_calls") or []]
        return msg.get("content", ""), calls

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, cases))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--model", type=Path, default=BUILD / "model.npz")
    p.add_argument("--url")
    p.add_argument("--name", default="guide")
    p.add_argument("--kinds", help="only these, by comma")
    p.add_argument("--out", type=Path, default=BUILD / "results.md")
    args = p.parse_args()
    cases = json.loads((BUILD / "eval.json").read_text())
    if args.kinds:
        cases = [c for c in cases if c["kind"] in args.kinds.split(",")]
    answers = answer_http(cases, args.url, args.name) if args.url else answer_jax(cases, args.model)
    score, failures = defaultdict(lambda: [0, 0]), []
    for case, (text, calls) in zip(cases, answers):
        ok = right(case, text, calls)
        score[case["kind"]][0] += ok
        score[case["kind"]][1] += 1
        if not ok:
            said = " ".join(text.split()) + "".join(" " + json.dumps(c) for c in calls)
            want = json.dumps(case["call"]) if case["call"] else ", ".join(case["must"])
            failures.append(f"- {case['kind']}: {case['messages'][-1]['content']!r}: wanted `{want}`, got {said!r}")
    lines = ["| held out | right | of | share |", "|---|---|---|---|"]
    lines += [f"| {k} | {r} | {n} | {100 * r / n:.1f}% |" for k, (r, n) in score.items()]
    print("\n".join(lines))
    args.out.write_text("\n".join(lines) + "\n\nFailures:\n\n" + "\n".join(failures) + "\n")
    sys.exit(any(score[k][0] < bar * score[k][1] for k, bar in BARS.items() if k in score))


if __name__ == "__main__":
    main()
