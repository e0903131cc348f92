"""Builds the corpus of guide: build/train.jsonl (documents as [text, learn] parts) and build/eval.json.

    python corpus.py [--docs N] [--seed S]

Everything that is held out (phrasings, frames, values) appears in eval.json alone.
"""

import argparse
import json
import random
from collections import Counter
from os.path import commonprefix
from pathlib import Path

import chatformat as chat
import facts
import smalltalk
import tooltalk
from values import Values

BUILD = Path(__file__).parent / "build"
SYSTEMS = ["You are a helpful assistant.", "You are guide, the model built into Puna.", "You are a helpful assistant. Answer briefly.",
           "Answer briefly.", "You are a friendly assistant.", "Be concise.", "You help with Puna.", "You are an expert on Puna.",
           "Answer the question of the user.", "Be polite and short.", "You are a bot."]
AREAS = {"cmd": "a command", "ses": "the chat", "api": "the HTTP API", "opt": "an option", "tune": "sampling", "lib": "the Go library",
         "env": "the environment", "err": "a problem", "mf": "the Modelfile", "gpu": "the GPU", "puna": "Puna", "id": "me", "fallback": "other servers"}
KINDS = {"choice": 550, "puna": 9, "tools": 9, "calls": 14, "world": 14, "json": 3, "story": 1, "text": 2, "fim": 3, "memory": 3, "repeat": 5, "arithmetic": 4, "unknown": 2}
# The first documents teach to copy out of the prompt, on which tools, JSON and names depend.
FIRST_KINDS = {"repeat": 25, "memory": 15, "json": 15, "tools": 6, "calls": 10, "puna": 20, "choice": 40, "world": 5}
FIRST_SHARE = 0.08


# What people ask first.
FIRST = ("puna.what", "id.who", "puna.makebuild", "mf.what", "cmd.list", "cmd.run", "cmd.rm", "cmd.serve", "cmd.ps", "lib.generate")


def weight(intent):
    """How often an intent comes up: with its phrasings, but options have many that are alike."""
    if intent.id.startswith("opt."):
        return 0.8
    often = max(1.0, len(intent.phrases) / 50)
    return max(often, 4.0) if intent.id in FIRST else often * 1.3 if "m" in intent.slots else often


def norm(text):
    return " ".join("".join(c if c.isalnum() or c in "/_-" else " " for c in text.lower()).split())


def beginning(text, others):
    """What tells a text from the others: its first words up to one that none of them has there."""
    least = max(len(commonprefix([text, o])) for o in others)
    end = text.find(" ", least)
    return text if end < 0 else text[:end]


class Corpus:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.intents = facts.load(seed)
        self.shapes = tooltalk.read_shapes(seed, facts.HELD_OUT)
        self.capitals, self.world, self.topics = smalltalk.read_world()
        self.talk = [p for p in self.world if p[1].startswith(("Hello!", "I'm fine", "You're welcome", "Good", "Air scatters", "Yes, I'm here"))]
        self.world_held = self.hold_out_world()
        self.sums = smalltalk.sum_pairs()
        self.weights = [weight(i) for i in self.intents]
        self.beginnings = {i.id: beginning(i.answer, [j.answer for j in self.intents if j is not i]) for i in self.intents}
        self.forbidden = set()

    def hold_out_world(self):
        every = [(p, q) for p in self.world for q in p[0] if len(p[0]) > 2]
        self.rng.shuffle(every)
        held = []
        for pair, question in every[: int(len(every) * facts.HELD_OUT)]:
            if len(pair[0]) > 2:
                pair[0].remove(question)
                held.append((question, pair[1]))
        return held

    # -- exchanges: (question, answer, thought)

    def puna(self, intent, model, other, phrase=None, frames=facts.FRAMES, follow=False):
        rng = self.rng
        varied = phrase is None
        phrase = phrase or rng.choice(intent.follow if follow else intent.phrases)
        for slot, name in (("{m}", model), ("{n}", other)):
            phrase = phrase.replace(slot, name)
        question = facts.ask(phrase, rng, frames, varied)
        fill = lambda s: s.replace("{m}", model).replace("{n}", other)
        key = fill(intent.keywords[0])
        return question, fill(intent.answer), f"The user asks about {AREAS[intent.id.split('.')[0]]}. The key is {key}."

    def chitchat(self):
        rng = self.rng
        r = rng.random()
        if r < 0.12:
            return (*smalltalk.unknown(rng, self.topics), "This is outside of what I know.")
        if r < 0.3:
            return smalltalk.arithmetic(rng, self.sums)
        # greetings and such come more often
        questions, answer = rng.choice(self.world if rng.random() < 0.7 else self.talk)
        return facts.ask(rng.choice(questions), rng), answer, "I know this."

    def conversation(self, first=None):
        """Exchanges about Puna and other things, with follow-ups on one model."""
        rng = self.rng
        v = Values(rng)
        model, other = v.model(), v.model()
        named, out = False, []
        turns = rng.choice([1, 1, 2, 2, 3, 4])
        for t in range(turns):
            if t == 0 and first:
                out.append(first)
                continue
            if named and rng.random() < 0.6:
                intent = rng.choice([i for i in self.intents if i.follow])
                out.append(self.puna(intent, model, other, follow=True))
            elif rng.random() < (0.9 if not out else 0.75):
                intent = rng.choices(self.intents, self.weights)[0]
                if rng.random() < 0.15 and turns > 1:
                    intent = rng.choice([i for i in self.intents if "m" in i.slots])
                model, other = (v.model(), v.model()) if "m" in intent.slots else (model, other)
                named = named or "m" in intent.slots
                out.append(self.puna(intent, model, other))
            else:
                out.append(self.chitchat())
        return out

    def chat_doc(self, exchanges, system=None, tools=(), think=0.4):
        rng = self.rng
        think = rng.random() < think
        if system is None and rng.random() < 0.25:
            system = rng.choice(SYSTEMS)
        messages = [{"role": "system", "content": system}] if system else []
        for q, a, thought in exchanges:
            messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a, "thinking": thought if think else ""}]
        return chat.render(messages, tools, think, rng.choice([chat.COMPACT, chat.COMPACT, chat.SPACED]))

    # -- documents

    def doc_puna(self):
        return self.chat_doc(self.conversation())

    def doc_choice(self):
        """A question about Puna, and of the answer only what tells which one it is: to learn an
        answer by heart takes few examples, to choose the right one takes many."""
        v = Values(self.rng)
        model, other = v.model(), v.model()
        intent = self.rng.choices(self.intents, self.weights)[0]
        question, answer, thought = self.puna(intent, model, other)
        doc = self.chat_doc([(question, answer, thought)], None if self.rng.random() < 0.2 else "", think=0.1)
        at = next(i for i, (_, learn) in enumerate(doc) if learn)
        told = self.beginnings[intent.id].replace("{m}", model).replace("{n}", other)
        return doc[:at] + [(doc[at][0].removesuffix(answer + "<|im_end|>") + told, True)]

    def doc_world(self):
        first = self.chitchat()
        return self.chat_doc([first] if self.rng.random() < 0.7 else self.conversation(first))

    def doc_arithmetic(self):
        return self.chat_doc([smalltalk.arithmetic(self.rng, self.sums) for _ in range(self.rng.randint(1, 5))])

    def doc_unknown(self):
        return self.chat_doc(self.conversation((*smalltalk.unknown(self.rng, self.topics), "This is outside of what I know.")))

    def doc_json(self):
        out = []
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            q, obj = smalltalk.json_task(self.rng, self.capitals)
            out.append((q, smalltalk.as_json(obj), "I answer with a JSON object."))
        return self.chat_doc(out)

    def doc_memory(self):
        turns, system = smalltalk.memory(self.rng)
        out = [(q, a, "I look at what was said.") for q, a in turns]
        if len(out) == 2 and self.rng.random() < 0.5:
            out.insert(1, self.conversation()[0])
        return self.chat_doc(out, system)

    def doc_repeat(self):
        return self.chat_doc([(q, a, "I look at what was said.") for _ in range(self.rng.randint(1, 3)) for q, a in smalltalk.repeat(self.rng)])

    def doc_story(self):
        q = facts.ask(self.rng.choice(smalltalk.STORY_ASK), self.rng)
        return self.chat_doc([(q, " ".join(smalltalk.story(self.rng)), "I tell a short story.")])

    def doc_text(self):
        return [(smalltalk.plain_text(self.rng, self.world) + "<|endoftext|>", True)]

    def doc_fim(self):
        prefix, middle, suffix = smalltalk.fim_cut(self.rng, smalltalk.plain_text(self.rng, self.world))
        return chat.fim(prefix, suffix, middle)

    def doc_tools(self):
        rng = self.rng
        uses, tools = tooltalk.situation(self.shapes, rng)
        system = rng.choice(SYSTEMS) if rng.random() < 0.3 else None
        if rng.random() < 0.3:  # tools at hand, but not asked for
            return self.chat_doc(self.conversation(self.chitchat() if rng.random() < 0.4 else None)[:2], system, tools)
        think = rng.random() < 0.4
        messages = [{"role": "system", "content": system}] if system else []
        if rng.random() < 0.15:
            q, a, _ = self.chitchat() if rng.random() < 0.5 else self.conversation()[0]
            messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
        for turn in range(rng.choice([1, 2, 3, 3, 4, 5])):
            u = rng.choice(uses)
            if turn:
                u = tooltalk.use(u.shape, rng, like=u)
            result, answer = tooltalk.result_of(u, rng)
            messages += tool_turn(u, tooltalk.ask(u, rng), think)
            messages += [{"role": "tool", "content": result},
                         {"role": "assistant", "content": answer, "thinking": "The tool answered, I tell the user." if think else ""}]
        if rng.random() < 0.2:
            messages = messages[:-2]
        return chat.render(messages, tools, think, rng.choice([chat.COMPACT, chat.COMPACT, chat.SPACED]))

    def doc_calls(self):
        """Questions and the calls that they ask for, without what the tools then say: most of what
        is to be learned, in half of the tokens."""
        rng = self.rng
        uses, tools = tooltalk.situation(self.shapes, rng)
        think, messages = rng.random() < 0.15, []
        for _ in range(rng.randint(3, 6)):
            u = rng.choice(uses)
            u = tooltalk.use(u.shape, rng, like=u)
            messages += tool_turn(u, tooltalk.ask(u, rng), think)
        return chat.render(messages, tools, think, rng.choice([chat.COMPACT, chat.COMPACT, chat.SPACED]))

    def documents(self, n):
        made = 0
        while made < n:
            kinds = FIRST_KINDS if made < FIRST_SHARE * n else KINDS
            doc = getattr(self, "doc_" + self.rng.choices(list(kinds), list(kinds.values()))[0])()
            if any(norm(t.split("\n", 1)[1].split("<|im_end|>")[0].removesuffix(" /think")) in self.forbidden
                   for t, learn in doc if t.startswith("<|im_start|>user\n")):
                continue
            made += 1
            yield doc


def tool_turn(u, question, think):
    doc = u.tool["description"].rstrip(".")
    thought = f"The user wants this: {doc[0].lower() + doc[1:]}. I call {u.tool['name']}."
    return [{"role": "user", "content": question},
            {"role": "assistant", "content": "", "thinking": thought if think else "", "tool_calls": [u.call()]}]


def user(text):
    return {"role": "user", "content": text}


def evaluation(c, seed):
    """The held-out cases: kind, messages, tools, think, and what a right answer holds."""
    rng = c.rng = random.Random(seed + 1)
    cases = []

    def case(kind, messages, must=(), tools=(), think=False, call=None, calls=True):
        cases.append({"kind": kind, "messages": messages, "must": list(must), "tools": list(tools), "think": think, "call": call})

    def puna_case(kind, intent, phrase, think=False, tools=()):
        v = Values(rng, held=True)
        model, other = v.model(), v.model()
        frames = facts.HELD_FRAMES if rng.random() < 0.3 else facts.FRAMES
        q, _, _ = c.puna(intent, model, other, phrase, frames)
        case(kind, [user(q)], [k.replace("{m}", model).replace("{n}", other).lower() for k in intent.keywords], tools, think)

    held = [(i, p) for i in c.intents for p in i.held]
    for intent, phrase in held:
        puna_case("puna", intent, phrase)
    for intent, phrase in rng.sample(held, 60):
        puna_case("puna, thinking", intent, phrase, think=True)
    for intent, phrase in rng.sample(held, 30):
        puna_case("puna, tools at hand", intent, phrase, tools=tooltalk.situation(c.shapes, rng)[1])
    slotted = [i for i in c.intents if i.slots == ["m"] and i.phrases]
    for _ in range(60):
        v = Values(rng, held=True)
        model = v.model()
        first, then = rng.choice(slotted), rng.choice([i for i in c.intents if i.follow])
        q1, a1, _ = c.puna(first, model, "")
        phrase = rng.choice(then.held_follow or then.follow)
        case("follow-ups", [user(q1), {"role": "assistant", "content": a1}, user(facts.ask(phrase, rng))],
             [k.replace("{m}", model).lower() for k in then.keywords])
    shapes = [s for s in c.shapes if s.held]
    for i in range(240):
        (u, *_), tools = tooltalk.situation(c.shapes, rng, held=True, shape=shapes[i % len(shapes)])
        case("tools, thinking" if i >= 200 else "tools", [user(tooltalk.ask(u, rng, held=True))], tools=tools, call=u.call(), think=i >= 200)
    for _ in range(40):
        (u, *_), tools = tooltalk.situation(c.shapes, rng, held=True)
        result, answer = tooltalk.result_of(u, rng)
        values = [str(x) for x in (json.loads(result).values() if result.startswith("{") else [result])]
        if any(x.lower() in answer.lower() for x in values):
            case("tool results", tool_turn(u, tooltalk.ask(u, rng), False) + [{"role": "tool", "content": result}],
                 [x.lower() for x in values if x.lower() in answer.lower()], tools)
    for q, a in c.world_held:
        case("plain facts", [user(facts.ask(q, rng))], [a.lower()])
    for a, sign, b, r in rng.sample(smalltalk.sum_pairs(held=True), 60):
        case("arithmetic", [user(f"what is {a} {sign} {b}?")], [f"= {r}"])
    for _ in range(30):
        case("outside", [user(smalltalk.unknown(rng, c.topics, held=True)[0])], ["i don't know that"])
    for _ in range(60):
        q, obj = smalltalk.json_task(rng, c.capitals, held=True)
        case("json", [user(q)], [smalltalk.as_json(obj).lower()])
    for _ in range(50):
        turns, system = smalltalk.memory(rng, held=True)
        messages = [{"role": "system", "content": system}] if system else []
        for q, a in turns[:-1]:
            messages += [user(q), {"role": "assistant", "content": a}]
        case("memory", messages + [user(turns[-1][0])], [turns[-1][1].lower()])
    return cases


def held_questions(cases):
    """Which no training text may ask, as norm has them."""
    kinds = ("puna", "puna, thinking", "puna, tools at hand", "tools", "tools, thinking", "plain facts")
    return {norm(x["messages"][-1]["content"]) for x in cases if x["kind"] in kinds}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--docs", type=int, default=300_000)
    p.add_argument("--seed", type=int, default=7)
    args = p.parse_args()
    BUILD.mkdir(exist_ok=True)
    c = Corpus(args.seed)
    cases = evaluation(c, args.seed)
    (BUILD / "eval.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False))
    c.forbidden = held_questions(cases)
    c.rng = random.Random(args.seed + 2)
    with open(BUILD / "train.jsonl", "w") as f:
        for doc in c.documents(args.docs):
            f.write(json.dumps(doc, ensure_ascii=False) + "\n")
    pairs = sum(len(i.phrases) + len(i.follow) for i in c.intents)
    print(f"{len(c.intents)} intents, {pairs} phrasings of training, {sum(len(i.held) + len(i.held_follow) for i in c.intents)} held out, "
          f"{len(c.shapes)} tool shapes, {len(c.world)} plain facts, {args.docs} documents")
    print(Counter(x["kind"] for x in cases))


if __name__ == "__main__":
    main()
