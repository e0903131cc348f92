"""Conversations with tools: shapes from facts/tools.txt, their names, keys and values varied."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from values import Values

HERE = Path(__file__).parent
INVENTED = 0.25  # of the tools that are meant
POLITE = ["", "", "", "", "please ", "could you ", "hey, ", "can you "]


@dataclass
class Param:
    keys: list[str]
    kind: str
    doc: str


@dataclass
class Shape:
    names: list[str]
    doc: str
    params: list[Param]
    questions: list[str]
    held: list[str]
    result: str
    answer: str


def read_shapes(seed, held_out):
    shapes, every = [], []
    for block in (HERE / "facts" / "tools.txt").read_text().strip().split("\n\n"):
        head, *lines = block.splitlines()
        names, doc = head[2:].split(" | ")
        params = []
        for line in lines[:-2]:
            keys, rest = line.split(" = ")
            kind, text = rest.split(" | ")
            params.append(Param(keys.split("|"), kind, text))
        result, answer = lines[-1].split(" => ")
        shape = Shape(names.split("|"), doc, params, lines[-2].split(" ; "), [], result, answer)
        shapes.append(shape)
        every += [(shape, q) for q in shape.questions]
    random.Random(seed).shuffle(every)
    left = int(len(every) * held_out)
    for shape, question in every:
        if left and len(shape.questions) > 3:
            shape.questions.remove(question)
            shape.held.append(question)
            left -= 1
    return shapes


def invented_shape(rng):
    """A tool that no list holds, told by its words alone: what is learned of it is to copy the arguments."""
    v = Values(rng)
    verb, noun = v.any_word(), v.any_word()
    kinds = rng.choices(["phrase", "task", "topic", "word", "name", "city", "num", "path", "day", "time", "email"], k=rng.choice([1, 1, 2, 2, 3]))
    keys = rng.sample(["text", "name", "value", "item", "title", "target", "label", "note", "place", "first", "second", "input", "about"], len(kinds))
    named = len(keys) > 1 or rng.random() < 0.3  # two arguments are told apart by their keys
    said = [(k + rng.choice([" ", ": ", " = "]) if named else "") + f"{{{i}}}" for i, k in enumerate(keys)]
    said = rng.choice([", ", " and ", "; "]).join(rng.sample(said, len(said)))
    question = rng.choice(["{v} the {n} with {s}", "{v} {n}: {s}", "with {s}, {v} the {n}", "I want to {v} the {n}, {s}", "{v} {s} in the {n}"])
    return Shape([f"{verb}_{noun}", noun + "_" + verb], f"{verb.capitalize()} the {noun}", [Param([k], kind, f"The {k}") for k, kind in zip(keys, kinds)],
                 [question.replace("{v}", verb).replace("{n}", noun).replace("{s}", said)], [], "result={word}", "The result is {word}.")


def schema_type(value):
    return "integer" if isinstance(value, int) else "string"


@dataclass
class Use:
    """One shape with chosen names and values."""

    shape: Shape
    tool: dict
    keys: list[str]
    values: list

    def question(self, rng, held=False):
        text = rng.choice(self.shape.held if held else self.shape.questions)
        return self.fill(text, rng.random() < 0.3)

    def fill(self, text, quote=False):
        for i, v in enumerate(self.values):
            text = text.replace(f"{{{i}}}", f'"{v}"' if quote and self.shape.params[i].kind in ("phrase", "word", "topic") else str(v))
        return text

    def call(self):
        arguments = dict(zip(self.keys, self.values))
        return {"name": self.tool["name"], "arguments": {k: arguments[k] for k in self.tool["parameters"]["properties"]}}


def use(shape, rng, held=False, like=None):
    """Chooses names and values; like keeps the tool of an earlier use and changes the values."""
    values = Values(rng, held)
    chosen = []
    for p in shape.params:
        v = values.slot(p.kind.rstrip("2") if p.kind[-1] == "2" else p.kind)
        while p.kind[-1] == "2" and v in chosen:
            v = values.slot(p.kind.rstrip("2"))
        chosen.append(v)
    if like:
        return Use(shape, like.tool, like.keys, chosen)
    keys, name = [rng.choice(p.keys) for p in shape.params], rng.choice(shape.names)
    if rng.random() < 0.12:  # names that say nothing: only the text tells what it does
        name = values.made_up()
    props = {}
    for key, p, v in zip(keys, shape.params, chosen):
        props[key] = {"type": schema_type(v)}
        if rng.random() < 0.5:
            props[key]["description"] = p.doc
        if p.kind.startswith("enum:"):
            props[key]["enum"] = p.kind[5:].split(",")
    if rng.random() < 0.6:  # Go writes maps with sorted keys
        props = dict(sorted(props.items()))
    fields = [("type", "object"), ("required", keys), ("properties", props)]
    if rng.random() < 0.5:
        fields = [fields[0], fields[2], fields[1]]
    doc = shape.doc + rng.choice(["", "", "."])
    return Use(shape, {"name": name, "description": doc, "parameters": dict(fields)}, keys, chosen)


def result_of(u, rng):
    """A tool's answer and what the assistant then says."""
    import re

    values = Values(rng)
    drawn = {}

    def draw(m):
        kind = m[1]
        if kind not in drawn:
            drawn[kind] = str(values.slot(kind.rstrip("9")))
        return drawn[kind]

    result = re.sub(r"\{([a-z]+9?)\}", draw, u.shape.result)
    answer = u.fill(re.sub(r"\{([a-z]+9?)\}", draw, u.shape.answer))
    pairs = dict(p.split("=") for p in result.split(", "))
    if rng.random() < 0.25 and len(pairs) == 1:
        return next(iter(pairs.values())), answer
    return json.dumps(pairs, separators=rng.choice([(",", ":"), (", ", ": ")])), answer


def situation(shapes, rng, held=False, shape=None):
    """One tool that is meant, among up to three others; returns the uses, the meant one first, and the tools."""
    shape = shape or (invented_shape(rng) if not held and rng.random() < INVENTED else rng.choice(shapes))
    uses = [use(shape, rng, held)]
    for other in rng.sample(shapes, rng.choice([0, 0, 0, 1, 1, 1, 2, 3])):
        o = use(other, rng)
        if other.doc not in [u.shape.doc for u in uses] and o.tool["name"] not in [u.tool["name"] for u in uses]:
            uses.append(o)
    tools = [u.tool for u in uses]
    rng.shuffle(tools)
    return uses, tools


def ask(u, rng, held=False):
    text = u.question(rng, held)
    if rng.random() < 0.35:
        text = rng.choice(POLITE) + text
    if rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    if rng.random() < 0.5 and text.split()[0].lower() in ("what", "how", "is", "which", "who", "where", "will", "what's", "does"):
        text += "?"
    return text
