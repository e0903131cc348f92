"""The chat format of guide: ChatML with tools and thinking, as its two templates write it.

templates_test.py checks that this, the Jinja template and the Go template agree.
Messages are dicts: role, content, and for assistants thinking and tool_calls
({"name", "arguments"}); tools are dicts with name, description and parameters.
"""

import json

TOOLS_HEAD = "You can call these functions:\n<tools>"
TOOLS_TAIL = '\n</tools>\nTo call one: <tool_call>\n{"name": NAME, "arguments": {...}}\n</tool_call>'

# How programs write JSON: Go without spaces, Python and Jinja with them.
COMPACT, SPACED = (",", ":"), (", ", ": ")


def dump(value, style=SPACED):
    return json.dumps(value, ensure_ascii=False, separators=style)


def tool_line(tool, style=SPACED):
    return dump({"type": "function", "function": tool}, style)


def call_text(call, style=SPACED):
    return f'<tool_call>\n{{"name": "{call["name"]}", "arguments": {dump(call["arguments"], style)}}}\n</tool_call>'


def system_block(system, tools, style=SPACED):
    if not system and not tools:
        return ""
    text = system or ""
    if tools:
        text += ("\n\n" if system else "") + TOOLS_HEAD + "".join("\n" + tool_line(t, style) for t in tools) + TOOLS_TAIL
    return f"<|im_start|>system\n{text}<|im_end|>\n"


def render(messages, tools=(), think=False, style=SPACED):
    """Returns [(text, learn)]: learn marks what the model is to write itself."""
    system = ""
    if messages and messages[0]["role"] == "system":
        system, messages = messages[0]["content"], messages[1:]
    last_user = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=-1)
    parts = [(system_block(system, tools, style), False)]
    for i, m in enumerate(messages):
        if m["role"] != "assistant":
            mark = " /think" if think and i == last_user else ""
            parts.append((f"<|im_start|>{m['role']}\n{m['content']}{mark}<|im_end|>\n", False))
            continue
        text = ""
        if m.get("thinking") and i > last_user:
            text += f"<think>\n{m['thinking']}\n</think>\n\n"
        text += m.get("content", "")
        for n, call in enumerate(m.get("tool_calls", [])):
            earlier = i < len(messages) - 1
            text += ("\n" if n or m.get("content") else "") + call_text(call, style if earlier else SPACED)
        parts += [("<|im_start|>assistant\n", False), (text + "<|im_end|>", True), ("\n", False)]
    return [p for p in parts if p[0]]


def prompt(messages, tools=(), think=False, style=SPACED):
    return "".join(t for t, _ in render(messages, tools, think, style)) + "<|im_start|>assistant\n"


def fim(prefix, suffix, middle=None):
    head = f"<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"
    return head if middle is None else [(head, False), (middle + "<|endoftext|>", True)]
