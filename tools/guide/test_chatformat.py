"""The chat format of training is what the Jinja template writes (the Go test in models/builtin compares that with the Go template)."""

import json
import random
from pathlib import Path

import jinja2
import jinja2.ext

import chatformat as chat
import facts
import tooltalk

HERE = Path(__file__).parent


def template():
    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    env.filters["tojson"] = lambda x: json.dumps(x, ensure_ascii=False)
    return env.from_string((HERE / "chat.jinja").read_text())


def jinja(t, messages, tools, think):
    shaped = [m | {"tool_calls": [{"type": "function", "function": c} for c in m.get("tool_calls", [])]} for m in messages]
    return t.render(messages=shaped, tools=[{"type": "function", "function": x} for x in tools], enable_thinking=think, add_generation_prompt=True)


def main():
    t, rng = template(), random.Random(1)
    shapes = tooltalk.read_shapes(1, facts.HELD_OUT)
    for n in range(500):
        (u, *_), tools = tooltalk.situation(shapes, rng)
        think = n % 2 == 0
        messages = [{"role": "system", "content": "Be short."}] if n % 3 == 0 else []
        messages += [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Hello!", "thinking": "gone"},
                     {"role": "user", "content": tooltalk.ask(u, rng)},
                     {"role": "assistant", "content": "", "thinking": "I call." if think else "", "tool_calls": [u.call()] * rng.choice([1, 2])},
                     {"role": "tool", "content": "42"}]
        tools = tools if n % 5 else []
        want, got = chat.prompt(messages, tools, think), jinja(t, messages, tools, think)
        assert want == got, f"{want}\n--- is not ---\n{got}"
    print("the chat format and the Jinja template agree")


if __name__ == "__main__":
    main()
