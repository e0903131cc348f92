"""What is not about Puna: plain facts, arithmetic, JSON, memory, stories, completion, fill in the middle."""

import json
from pathlib import Path

from values import LISTS, Values, part

HERE = Path(__file__).parent
CAPITAL = ["what is the capital of {}", "capital of {}", "which city is the capital of {}", "tell me the capital of {}",
           "what's the capital of {}", "do you know the capital of {}", "name the capital of {}", "what is {}'s capital"]
UNKNOWN = ["tell me about {}", "what do you know about {}", "explain {}", "help me with {}", "what is new about {}",
           "can you help me with {}", "I have a question about {}", "give me advice on {}", "what about {}", "who knows about {}",
           "write about {}", "what should I know about {}"]
DONT_KNOW = "I don't know that. I'm a tiny model and know little beyond Puna; a bigger model can help."
SIMPLE = {
    "symbols": (["what is the chemical symbol of {}", "symbol for {}", "chemical symbol of {}", "what is the symbol of {}"], "The symbol of {0} is {1}."),
    "opposites": (["what is the opposite of {}", "opposite of {}", "tell me the opposite of {}", "what is the reverse of {}"], "The opposite of {0} is {1}."),
    "sounds": (["what does a {} say", "what sound does a {} make", "how does a {} sound"], "{1}!"),
    "babies": (["what is a young {} called", "what is a baby {} called", "what do you call a baby {}"], "A young {0} is called a {1}."),
    "colors": (["what color is {}", "which color has {}", "what is the color of {}"], "{0} is {1}."),
    "legs": (["how many legs does {} have", "how many legs has {}", "number of legs of {}"], "{0} has {1} legs."),
}


def read_world():
    """Returns (capitals, pairs, unknown): pairs are ([questions], answer)."""
    sections, pairs = {}, []
    for line in (HERE / "facts" / "world.txt").read_text().splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            sections[name] = []
        elif line:
            sections[name].append(line)
    for name, (questions, answer) in SIMPLE.items():
        # "the sky=blue a dog=four": keys may hold spaces, values may not
        words = " ".join(sections[name]).split("=")
        key = words[0]
        for w in words[1:]:
            value, _, rest = w.partition(" ")
            said = answer.format(key, value)
            pairs.append(([q.format(key) for q in questions], said[0].upper() + said[1:]))
            key = rest
    for name in ("qa", "chat"):
        for line in sections[name]:
            questions, answer = line.split(" => ")
            pairs.append((questions.split(" ; "), answer))
    capitals = [tuple(p.replace("_", " ").split("=")) for p in " ".join(sections["capitals"]).split()]
    for country, city in capitals:
        pairs.append(([q.format(country) for q in CAPITAL], f"The capital of {country} is {city}."))
    return capitals, pairs, " ".join(sections["unknown"]).split(";")


def unknown(rng, topics, held=False):
    return rng.choice(UNKNOWN).format(rng.choice(part(topics, held))), DONT_KNOW


def sum_pairs(held=False):
    """(a, sign, b, result) of small numbers; one in ten is held out."""
    out = []
    for a in range(21):
        for b in range(21):
            out += [(a, "+", b, a + b), (a, "-", b, a - b)]
            if a <= 10 and b <= 10:
                out.append((a, "*", b, a * b))
    return [s for s in out if (s[0] * 7 + s[2] * 3 + len(s[1] * ord(s[1]))) % 10 == 0] if held else \
        [s for s in out if (s[0] * 7 + s[2] * 3 + len(s[1] * ord(s[1]))) % 10 != 0]


def arithmetic(rng, sums):
    a, sign, b, result = rng.choice(sums)
    word = {"+": "plus", "-": "minus", "*": "times"}[sign]
    q = rng.choice(["what is {a} {s} {b}", "what is {a} {w} {b}", "{a} {s} {b}", "how much is {a} {w} {b}", "{a} {w} {b}",
                    "compute {a} {s} {b}", "how much is {a} {s} {b}", "calculate {a} {w} {b}", "{a}{s}{b}"])
    return q.format(a=a, b=b, s=sign, w=word), f"{a} {sign} {b} = {result}", f"Take {a} {word} {b}: that is {result}."


def json_task(rng, capitals, held=False):
    """A question that asks for JSON, and the object."""
    v = Values(rng, held)
    kind = rng.randrange(6)
    lead = rng.choice(["Answer in JSON", "Reply with JSON", "Give me JSON", "Return a JSON object", "As JSON", "In JSON"])
    if kind == 0:
        name, age = v.name(), v.slot("small")
        q = rng.choice(["{n} is {a} years old. {l} with name and age.", "{l} with name and age: {n} is {a}.",
                        "{l} with the keys name and age. {n} is {a} years old.", "My name is {n} and I am {a}. {l} with name and age."])
        return q.format(n=name, a=age, l=lead), {"name": name, "age": age}
    if kind == 1:
        country, city = rng.choice(capitals)
        q = rng.choice(["{l} with country and capital: {c}.", "What is the capital of {c}? {l} with country and capital.",
                        "{l} with the keys country and capital for {c}."])
        return q.format(c=country, l=lead), {"country": country, "capital": city}
    if kind == 2:
        name, city = v.name(), v.city()
        q = rng.choice(["{n} lives in {c}. {l} with name and city.", "{l} with name and city: {n} lives in {c}.",
                        "{l} with the keys name and city. {n} is from {c}."])
        return q.format(n=name, c=city, l=lead), {"name": name, "city": city}
    if kind == 3:
        color, animal = v.of(LISTS["color"]), v.of(LISTS["animal"])
        q = rng.choice(["{l} with animal and color: the {a} is {c}.", "The {a} is {c}. {l} with animal and color.",
                        "I see a {c} {a}. {l} with animal and color."])
        return q.format(a=animal, c=color, l=lead), {"animal": animal, "color": color}
    if kind == 4:
        items = [v.word() for _ in range(rng.choice([2, 3, 3, 4]))]
        key = rng.choice(["items", "words", "list", "names"])
        q = rng.choice(["{l} with the list {k}: {i}.", "{l} with {k}: {i}.", "Put {i} into a list. {l} with {k}."])
        return q.format(l=lead, k=key, i=", ".join(items)), {key: items}
    keys = rng.sample(["id", "name", "city", "color", "word", "count", "animal"], rng.choice([2, 3]))
    obj = {k: rng.randint(1, 99) if k in ("id", "count") else v.of(LISTS[k]) if k in LISTS else getattr(v, k)() for k in keys}
    return f"{lead} with " + rng.choice([", ", " and "]).join(f"{k} {x}" for k, x in obj.items()) + ".", obj


def memory(rng, held=False):
    """Turns that need something said before: [(question, answer)], and a system prompt or None."""
    v = Values(rng, held)
    name = v.name()
    kind = rng.randrange(4)
    if kind == 0:
        intro = rng.choice(["My name is {}.", "I'm {}.", "I am {}", "hi, I'm {}", "Hello, my name is {}", "call me {}"]).format(name)
        q = rng.choice(["What is my name?", "what's my name", "who am I?", "do you know my name?", "What am I called?"])
        return [(intro, f"Hello {name}!"), (q, f"Your name is {name}.")], None
    if kind == 1:
        system = rng.choice(["Your name is {}.", "You are {}.", "You are called {}.", "Your name is {}. Answer briefly."]).format(name)
        q = rng.choice(["Who are you?", "What is your name?", "what's your name", "who are you", "introduce yourself"])
        return [(q, f"I'm {name}.")], system
    if kind == 2:
        thing, value = rng.choice([("favorite color", v.of(LISTS["color"])), ("favorite animal", v.of(LISTS["animal"])), ("city", v.city()), ("password", v.word())])
        intro = rng.choice(["My {} is {}.", "Remember: my {} is {}.", "Please remember that my {} is {}."]).format(thing, value)
        q = rng.choice(["What is my {}?", "what's my {}", "tell me my {}", "do you remember my {}?"]).format(thing)
        return [(intro, "I'll remember that."), (q, f"Your {thing} is {value}.")], None
    word = v.word()
    q = rng.choice(["Say {}.", "Repeat: {}", "say the word {}", "Repeat after me: {}", "Say only {}", "Answer with the word {}"]).format(word)
    return [(q, word)], None


def repeat(rng):
    """Turns whose answers are words of the prompt: a list to say again, or pairs to look up."""
    v = Values(rng)
    words = [rng.choice([v.word, v.word, v.name, v.city, v.made_up, lambda: str(v.number())])() for _ in range(rng.randint(2, 12))]
    if rng.random() < 0.5:
        text = rng.choice([" ", " ", ", ", "/", "_"]).join(words)
        return [(rng.choice(["Repeat: {}", "Say {}", "repeat after me: {}", "Write {}", "Say again: {}", "{}. Repeat that."]).format(text), text)]
    pairs = dict(zip(words[::2], words[1::2]))
    told = "; ".join(f"{k} = {x}" for k, x in pairs.items()) if rng.random() < 0.5 else json.dumps(pairs)
    asked = rng.sample(list(pairs), rng.randint(1, len(pairs)))
    q = rng.choice(["What is {}?", "{}?", "look up {}", "the value of {}"])
    return [(rng.choice(["Remember: {}", "Here is a table: {}", "{}"]).format(told), "I'll remember that.")] + [(q.format(k), pairs[k]) for k in asked]


def story(rng, held=False):
    """A short story, as sentences."""
    v = Values(rng, held)
    hero, animal, color = v.of(["Ana", "Ben", "Lily", "Tom", "Mia", "Max", "Zoe", "Leo", "Nina", "Sam"]), v.of(LISTS["animal"]), v.of(LISTS["color"])
    adj = rng.choice(["little", "small", "young", "shy", "brave", "curious"])
    place = rng.choice(["a village", "the mountains", "a forest", "a big city", "the high plain", "a house by the sea"])
    lost, where = rng.choice([("ball", "the grass"), ("hat", "a tree"), ("key", "the river"), ("book", "the garden"), ("ring", "the snow")])
    return [f"Once upon a time there was a {adj} {animal} named {hero}.", f"{hero} lived in {place}.",
            f"One day {hero} lost a {color} {lost}.", f"{hero} looked everywhere and asked every friend.",
            f"At last a friend found the {lost} in {where}.", rng.choice([f"{hero} was very happy.", f"{hero} jumped with joy."]),
            rng.choice(["And they lived happily ever after.", f"From that day {hero} was careful.", "They were friends for ever."])]


STORY_ASK = ["tell me a story", "tell me a short story", "write a story", "a story please", "write me a short story", "can you tell me a story",
             "tell me a tale", "make up a story"]
SEQUENCES = ["1, 2, 3, 4, 5, 6, 7, 8, 9, 10", "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday", "2, 4, 6, 8, 10, 12",
             "January, February, March, April, May, June, July, August, September, October, November, December",
             "red, orange, yellow, green, blue, purple", "a, b, c, d, e, f, g, h, i, j", "10, 9, 8, 7, 6, 5, 4, 3, 2, 1"]
CODE = [
    "func {f}(a, b int) int {{\n\treturn a {op} b\n}}\n",
    "package main\n\nimport \"fmt\"\n\nfunc main() {{\n\tfmt.Println(\"{w}\")\n}}\n",
    "def {f}(a, b):\n    return a {op} b\n",
    "for i := 0; i < {n}; i++ {{\n\tfmt.Println(i)\n}}\n",
    "for i in range({n}):\n    print(i)\n",
    "if err != nil {{\n\treturn err\n}}\n",
    "def {f}(name):\n    print(\"{w}, \" + name)\n",
    "var {f} = []string{{\"{w}\", \"{w2}\"}}\n",
    "FROM ./{f}.gguf\nPARAMETER temperature 0.{d}\nSYSTEM You are {f}.\n",
]
OPS = {"add": "+", "sum": "+", "plus": "+", "sub": "-", "minus": "-", "diff": "-", "mul": "*", "times": "*", "product": "*", "div": "/", "quotient": "/"}


def plain_text(rng, world_pairs, held=False):
    """A text without chat: a story, a fact, a sequence or code."""
    v = Values(rng, held)
    r = rng.random()
    if r < 0.35:
        return " ".join(story(rng, held))
    if r < 0.5:
        return rng.choice(SEQUENCES)
    if r < 0.6:
        return rng.choice(world_pairs)[1]
    f = rng.choice(list(OPS))
    return rng.choice(CODE).format(f=f, op=OPS[f], w=v.word(), w2=v.word(), n=rng.randint(2, 99), d=rng.randint(1, 9))


def fim_cut(rng, text):
    """Cuts a text at word or line borders: (prefix, middle, suffix)."""
    borders = [i for i, c in enumerate(text) if c in " \n"] + [len(text)]
    a = rng.choice([0] + borders[:-1]) if len(borders) > 1 else 0
    later = [b for b in borders if a < b <= a + 60]
    b = rng.choice(later)
    return text[:a], text[a:b], text[b:]


def as_json(obj):
    return json.dumps(obj, ensure_ascii=False)
