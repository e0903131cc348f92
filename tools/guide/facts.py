"""The facts about Puna: reads facts/*.txt and the option table, and splits the phrasings.

A file of facts/ holds intents:

    # id | keyword & keyword      every keyword must be in a right answer (lower case)
    = the answer                  {m} and {n} stand for model names
    to do something               a purpose: goes into FRAMES ("how do I ...?")
    a whole question              taken as it is; [a|b|] are alternatives
    & a follow-up                 asked after another question about {m}

A tenth of the phrasings, chosen by the seed alone, is held out: they appear in no
training text, in no frame. Two of the frames are held out likewise.
"""

import json
import random
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
HELD_OUT = 0.10

FRAMES = [
    "how do I {}?", "how do I {}?", "how do I {}?", "how can I {}?", "how can I {}?", "how to {}?",
    "how to {}", "{}", "I want to {}", "I want to {}.", "I'd like to {}.", "I need to {}",
    "can you tell me how to {}?", "please tell me how to {}", "show me how to {}", "what do I do to {}?",
    "is there a way to {}?", "can I {}?", "how would I {}?", "what is the way to {}?", "how does one {}?",
    "tell me how to {}", "help me {}", "I am trying to {}. How?", "how should I {}?",
    "what do I type to {}?", "explain how to {}",
]
HELD_FRAMES = ["what would be the way to {}?", "could you show me how I can {}?", "my goal is to {}"]
OPENERS = ["", "", "", "", "", "", "", "hi, ", "hello, ", "please: ", "quick question: ", "hey, ", "ok, ", "so ", "and "]
# Words that mean the same in every intent: a phrasing of training is also asked with them exchanged.
SYNONYMS = [g.split("|") for g in """delete|remove|erase|get rid of
show|display|print|view|see|let me see
list|enumerate|give a list of
download|fetch|pull|get
copy|duplicate
change|modify|alter|edit
choose|pick|select
find out|learn|figure out|discover
check|verify|test|make sure
use|work with|employ
needs|requires
need|require
memory|RAM
GPU|graphics card|video card
machine|computer|PC|box
folder|directory
answer|reply|response|output
answers|replies|responses
fast|quick|speedy
faster|quicker|at higher speed
slow|sluggish
limit|restrict|cap|bound
program|application|app
several|many|multiple|more than one
at once|at the same time|in parallel|concurrently|simultaneously
picture|image|photo
repeatable|reproducible|deterministic
send|submit|pass
turn off|switch off|disable|deactivate
turn on|switch on|enable|activate
quit|exit|leave
stop|end|halt
start|launch|fire up|bring up
explain|describe
tell me|let me know|say
now|right now|at the moment|currently
purpose|point
request|call
library|package|module
big|large|huge
bigger|larger
long|lengthy
short|brief
stored|saved|kept
store|save|keep
safe|secure
without|with no
write|type|put
possible|feasible|doable
allowed|permitted
which|what
how big|how large|what size
difference|distinction
error|failure|problem
conversation|chat|dialog
settings|configuration|config
token|tokens
happens|goes on
mean|stand for
work|function
support|offer|have
give|hand|pass
a new|another|a fresh
want|wish
every|each|all
quickly|fast
own|personal""".splitlines()]
EXCHANGES = {word: [w for w in group if w != word] for group in SYNONYMS for word in group}
EXCHANGE = re.compile(r"(?<![`/.\w{-])(?<!make )(?<!puna )(" + "|".join(sorted(EXCHANGES, key=len, reverse=True)) + r")(?![`/\w}-])")
TAILS = [" please", " exactly", " in Puna", " with Puna", " here", " again", ", briefly", " on my machine", ", any idea", " today"]


@dataclass
class Intent:
    id: str
    keywords: list[str]
    answer: str = ""
    phrases: list[str] = field(default_factory=list)  # of training
    held: list[str] = field(default_factory=list)
    follow: list[str] = field(default_factory=list)
    held_follow: list[str] = field(default_factory=list)

    @property
    def slots(self):
        return sorted(set(re.findall(r"\{(\w)\}", self.answer)))


def read_intents():
    intents = []
    for path in sorted((HERE / "facts").glob("*.txt")):
        if path.stem in ("world", "tools"):
            continue
        for line in path.read_text().splitlines():
            if line.startswith("# "):
                name, keywords = line[2:].split(" | ")
                intents.append(Intent(name, [k.strip() for k in keywords.split(" & ")]))
            elif line.startswith("= "):
                intents[-1].answer = line[2:]
            elif line.startswith("& "):
                intents[-1].follow.append(line[2:])
            elif line.strip():
                intents[-1].phrases.append(line.strip())
    return intents


OPTION_WHAT = ["what does {} do", "what is {}", "what is {} for", "explain {}", "what does {} mean", "tell me about {}",
               "what is the option {}", "describe {}", "the option {}", "meaning of {}", "what does the option {} do",
               "what is the meaning of {}", "explain the option {}", "what is the parameter {}", "{}",
               "what does the parameter {} do", "what is the purpose of {}", "what does {} control",
               "explain what {} does", "tell me about the option {}"]
OPTION_DEFAULT = ["what is the default of {}", "default of {}", "what is {} by default", "what is the default value of {}",
                  "which value has {} by default", "what is {} if I don't set it", "the default for {}", "default {}",
                  "what value does {} have when unset", "default value of {}", "{} default", "{} default value",
                  "what is the default for {}", "which default has {}", "what default does {} have",
                  "tell me the default of {}", "does {} have a default", "what value does {} have by default",
                  "what does {} default to", "what is {} when it is unset"]
OPTION_SET = ["to set {}", "to change {}", "where do I set {}", "to give a value to {}", "to set the option {}",
              "to change the value of {}", "where does {} go", "to give {} a value", "to give {} another value",
              "to change the option {}", "to set the parameter {}", "to change the parameter {}",
              "to set the value of {}", "to set {} to another value", "to choose a value for {}", "to adjust {}",
              "to configure {}", "where can I set {}", "where do I put {}", "where is {} set"]


def option_docs():
    """The option table, from the Go package itself."""
    out = subprocess.run(["go", "run", "./tools/guide/optiondocs"], cwd=HERE.parent.parent, check=True, capture_output=True)
    return json.loads(out.stdout)


def option_intents():
    intents = []
    for doc in option_docs():
        name, default, text = doc["Name"], doc["Default"], doc["Doc"]
        said = f"The default is {default}." if default else "It has no default."
        phrases = [p.format(name) for p in OPTION_WHAT + OPTION_DEFAULT + OPTION_SET]
        intents.append(Intent(
            f"opt.{name}",
            [name, text.split(" (")[0].lower(), f"is {default}".lower() if default else "no default", f"parameter {name} value"],
            f"`{name}`: {text}. {said} Put it into `options` of a request, or `PARAMETER {name} VALUE` into the Modelfile.", phrases))
    return intents


def load(seed):
    """Returns every intent, with its phrasings split into training and held-out ones."""
    intents = read_intents() + option_intents()
    rng = random.Random(seed)
    every = [(i, p, False) for i in intents for p in i.phrases] + [(i, p, True) for i in intents for p in i.follow]
    rng.shuffle(every)
    left = int(len(every) * HELD_OUT)
    for intent, phrase, follow in every:
        if left == 0:
            break
        src, dst = (intent.follow, intent.held_follow) if follow else (intent.phrases, intent.held)
        if len(src) > 2:  # an intent keeps something to learn from
            src.remove(phrase)
            dst.append(phrase)
            left -= 1
    return intents


def expand(text, rng):
    """Chooses one of each [a|b|] and closes up the spaces."""
    while (m := re.search(r"\[([^\[\]]*\|[^\[\]]*)\]", text)):
        text = text[: m.start()] + rng.choice(m[1].split("|")) + text[m.end():]
    return " ".join(text.split())


def vary(text, rng):
    """Exchanges words for others of their meaning, drops and swaps some, misspells one: outside of `code` and slots."""
    parts = text.split("`")
    drop, swap = rng.random() < 0.25, rng.random() < 0.05
    for i in range(0, len(parts), 2):
        parts[i] = EXCHANGE.sub(lambda m: rng.choice(EXCHANGES[m[1]]) if rng.random() < 0.3 else m[1], parts[i])
        if rng.random() < 0.15:
            parts[i] = re.sub(r"\b(the|a|an|do|does|my|is) ", "", parts[i], count=1)
        if drop:
            parts[i] = re.sub(r"(?<= )[a-zA-Z']+ (?=\S)", lambda m: "" if rng.random() < 0.15 else m[0], parts[i])
        if swap:
            parts[i] = re.sub(r"(?<= )([a-zA-Z']+) ([a-zA-Z']+) ", lambda m: f"{m[2]} {m[1]} " if rng.random() < 0.3 else m[0], parts[i])
        if rng.random() < 0.05 and (long := re.findall(r"(?<![{/\w-])[a-z]{6,}(?![}/\w-])", parts[i])):
            parts[i] = parts[i].replace(word := rng.choice(long), misspelled(word, rng), 1)
    return "`".join(parts)


def misspelled(word, rng):
    """Two letters swapped, or one left out."""
    at = rng.randrange(1, len(word) - 2)
    return word[:at] + word[at + 1] + (word[at] if rng.random() < 0.6 else "") + word[at + 2:]


def ask(phrase, rng, frames=FRAMES, varied=False):
    """One question from a phrase: framed, with an opener, in some spelling; varied also in its words."""
    text = expand(phrase, rng)
    if varied and rng.random() < 0.75:
        text = vary(text, rng)
        if rng.random() < 0.15 and text[-1] not in "`.":
            text += rng.choice(TAILS)
    if text.startswith("to "):
        text = rng.choice(frames).format(text[3:])
    elif rng.random() < 0.6 and text[-1] not in "?.!`\"":
        text += "?"
    if rng.random() < 0.5:  # the name of the program, not the command in a line of shell
        text = re.sub(r"(?<![`/.\w])puna\b(?! (?:run|show|ls|ps|cp|rm|serve|start|create|list|stop|doctor|kernels|bench|version|help)\b)(?![./])", "Puna", text)
    text = rng.choice(OPENERS) + text if rng.random() < 0.5 else text
    r = rng.random()
    if r < 0.55:
        text = text[0].upper() + text[1:]
    elif r < 0.65:
        text = text.rstrip("?.")
    return text
