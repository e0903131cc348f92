"""Values for the slots of questions and tools. The last tenth (at least three) of each list are only for evaluation."""

import random
import re
from functools import cache
from pathlib import Path

NAMES = """Ana Ben Carla David Elena Felix Greta Hugo Ida Jonas Karin Leo Maria Nina Oscar Paula Rita Sara Tom Uma Victor
Wendy Yara Zoe Alice Bob Clara Dora Emil Fiona Georg Hanna Ivan Julia Kevin Laura Max Nora Otto Peter Rosa Simon Tina Vera Walter
Anton Bruno Diego Emma Frank Gina Henry Iris Jack Kate Liam Mia Noah Olga Pablo Ruth Sven Theo Ursula Will Adam Eve Mark Lucy
Robert Linda James Susan Thomas Karen Daniel Nancy Paul Helen George Amy Kenneth Anna Steven Ruben Edward Carol Brian Sofia
Priya Arjun Wei Yuki Kenji Fatima Omar Aisha Kofi Amara Tunde Lars Ingrid Mateo Lucia Pedro Chloe Louis""".split()
CITIES = """Paris London Berlin Rome Madrid Lisbon Vienna Prague Warsaw Oslo Helsinki Dublin Athens Cairo Nairobi Lagos Accra
Tokyo Osaka Seoul Beijing Shanghai Delhi Mumbai Bangkok Hanoi Manila Jakarta Sydney Melbourne Perth Auckland Toronto Montreal
Vancouver Boston Chicago Denver Dallas Houston Seattle Miami Atlanta Phoenix Lima Quito Bogota Santiago Havana Hamburg Munich
Cologne Dresden Zurich Geneva Basel Milan Turin Naples Venice Florence Lyon Nice Toulouse Porto Seville Valencia Bilbao Leeds
Glasgow Bristol Oxford Bergen Malmo Turku Riga Tallinn Vilnius Minsk Kiev Odessa Sofia Belgrade Zagreb Budapest Istanbul Ankara
Amman Beirut Dubai Doha Karachi Lahore Dhaka Colombo Cusco Arequipa Recife Salvador Brussels Antwerp Utrecht Rotterdam
San_Francisco New_York Los_Angeles Cape_Town Buenos_Aires Mexico_City Hong_Kong Tel_Aviv Amsterdam Stockholm Copenhagen""".split()
WORDS = """apple banana bread river mountain castle garden window table chair music dance winter summer flower bridge
forest island ocean planet rocket engine paper pencil letter number color yellow green purple silver golden happy gentle
brave clever quick silent hidden ancient modern little giant llama tiger rabbit turtle eagle monkey dolphin spider
butterfly thunder shadow mirror candle blanket pillow kitchen hammer ladder basket bottle button pocket jacket
payments search billing gateway worker auth frontend backend cache proxy mailer reports inventory hello goodbye
strawberry elephant umbrella chocolate library museum theater hospital harbor village meadow valley desert""".split()
MODELS = """llama3 llama3.2 qwen2.5 qwen3 phi4 mistral gemma3 tinyllama mymodel my-model test demo helper coder assistant
writer bot small big chat deepseek-r1 codellama mixtral falcon vicuna orca zephyr starling granite smollm olmo yi command-r
nous solar stable alpaca guanaco wizard dolphin hermes bakllava llava nomic tiny fast guide assistant-v2 story poet math""".split()
COUNTRIES = "Peru France Japan Kenya Brazil Canada Egypt India Spain Italy Norway Poland Turkey Chile Cuba Ghana Nepal Malta Latvia Qatar".split()
LISTS = {
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday today tomorrow 2026-03-14 2027-11-02 2026-08-30 2027-01-05 2026-12-24".split(),
    "lang": "French German Spanish Italian Dutch Portuguese Polish Swedish Danish Finnish Greek Turkish Latin Hindi Arabic Japanese Korean Welsh".split(),
    "currency": "USD EUR GBP JPY CHF CAD AUD SEK NOK PLN INR BRL".split(),
    "unit": "meters feet miles inches kilograms pounds liters gallons yards grams ounces".split(),
    "device": "lamp|light|heater|radio|fan|television|kitchen light|living room lamp|coffee machine|printer|oven|bedroom light|garage door|router".split("|"),
    "room": "kitchen|bedroom|bathroom|living room|office|hall|cellar|garage|attic".split("|"),
    "food": "pizzas|burgers|salads|soups|sandwiches|tacos|noodles|coffees|bagels|cakes|pancakes|burritos".split("|"),
    "event": "dinner|lunch|a meeting|yoga|a party|the dentist|football|piano lesson|book club|a workshop|breakfast|a concert".split("|"),
    "task": "buy milk|call mom|water the plants|pay the rent|clean the kitchen|write the report|feed the cat|fix the bike|book a hotel|wash the car|send the invoice|read the book|bake a cake|walk the dog|update the website|test the login".split("|"),
    "phrase": "I am late|dinner is ready|the meeting is over|happy birthday|see you soon|the train is gone|all tests pass|I am at home|the code is fixed|we won the game|thank you for the book|the cat is asleep|lunch at noon|call me back|the door is open|good luck".split("|"),
    "topic": "llamas|solar power|electric cars|the moon|old maps|jazz music|space travel|green tea|chess|volcanoes|bicycles|robots|wild horses|coffee beans|deep sea fish|paper planes|Go generics|free software".split("|"),
    "sky": "sunny cloudy rainy windy foggy snowy clear stormy".split(),
    "shell": "ls -l|date|uptime|df -h|make test|go build|git status|whoami|pwd|free -m|uname -a".split("|"),
    "ticker": "AAPL GOOG MSFT NVDA TSLA AMZN IBM INTC AMD ORCL SAP META NFLX DIS".split(),
    "table": "users orders products invoices customers payments sessions events logs items accounts".split(),
    "sign": "Aries Taurus Gemini Leo Virgo Libra Pisces Aquarius".split(),
    "state": "shipped packed delivered delayed ready".split(),
    "letter": "a e i o r s t n l b p".split(),
    "food1": "pizza soup bread cheese rice apples cake honey pasta fish".split(),
    "color": "red blue green yellow black white purple orange pink brown".split(),
    "animal": "cat dog fox owl bear llama rabbit mouse duck hen wolf frog bee horse goat".split(),
}
SYLLABLES = [a + b for a in "b d f g k l m n p r s t v z ch st br tr".split() for b in "a e i o u an el or in us ar".split()]


FREE = 0.85  # of a list's values in training: with a short list alone, a model learns the list instead of copying


# Free values are built as the listed ones are, so that it is learned where one begins and ends.
SENTENCES = {
    "task": "{w} {d} {w}|{w} {d} {w}|{w} {d} {w}|{w} {w}|{w} {d} {w} for {d} {w}|{w} {w} to {w}|{w} {d} {w} {w}|{w} {w} and {w}",
    "phrase": "{d} {w} is {w}|{d} {w} is {w}|I am {w}|I am at {d} {w}|{w} is {w}|{w} {w} {w}|{w} me {w}|{w} you {w}|{w} at {w}|we {w} {d} {w}|"
              "all {w} {w}|thank you for {d} {w}|{w} {d} {w}|{d} {w} {w} is {w}|{w} {w}|can you {w} {d} {w}|{w} it to {w}",
    "event": "{w}|a {w}|a {w}|an {w}|the {w}|{w} {w}|my {w}|{w} with {w}",
    "topic": "{w}|{w} {w}|{w} {w}|the {w}|{w} in {w}|{w} and {w}",
    "device": "{w}|{w}|{w} {w}", "food": "{w}|{w}|{w} {w}",
}
SMALL = frozenset("a an the is in me my to at for you and with all it of on".split())  # words


@cache
def vocabulary():
    """Words of all facts, without those of held-out values."""
    held = {w for values in [WORDS, CITIES, *LISTS.values()] for v in part(values, True) for w in re.split(r"\W|_", v.lower())} - SMALL
    text = " ".join(p.read_text() for p in sorted((Path(__file__).parent / "facts").glob("*.txt")))
    return sorted({w for w in re.findall(r"(?<![\w/`{-])[a-z]{3,11}(?![\w/`}-])", text)} - held)


@cache
def trigrams():
    """Which letters follow two letters in the words of vocabulary; ^ begins a word and $ ends it."""
    after = {}
    for word in vocabulary():
        text = "^^" + word + "$"
        for i in range(len(text) - 2):
            after.setdefault(text[i : i + 2], []).append(text[i + 2])
    return after


def part(values, held):
    """The training or the held-out part of a list."""
    cut = len(values) - max(3, len(values) // 10)  # two of a kind must differ
    return values[cut:] if held else values[:cut]


class Values:
    """Draws values; held ones come from the parts that training never sees."""

    def __init__(self, rng: random.Random, held=False):
        self.rng, self.held = rng, held

    def any_word(self):
        """A word of the facts, or one that only sounds like it: its tokens are all kinds."""
        r = self.rng.random()
        return self.rng.choice(vocabulary()) if r < 0.4 else self.invented() if r < 0.9 else self.made_up()

    def words(self, least, most):
        return " ".join(self.any_word() for _ in range(self.rng.randint(least, most)))

    def sentence(self, patterns):
        determiner = lambda _: self.rng.choice("the the the a my our this".split())
        return re.sub(r"\{w\}", lambda _: self.any_word(), re.sub(r"\{d\}", determiner, self.rng.choice(patterns.split("|"))))

    def invented(self):
        word = "^^"
        while len(word) < 14 and (letter := self.rng.choice(trigrams()[word[-2:]])) != "$":
            word += letter
        return word[2:] if len(word) > 4 else self.invented()

    def free(self, kind):
        """A value of a kind that is on no list; None where only listed ones make sense."""
        rng = self.rng
        capitals = lambda least, most: "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(least, most)))
        match kind:
            case "phrase" | "task" | "topic" | "event" | "device" | "food":
                return self.sentence(SENTENCES[kind])
            case "letter":
                return rng.choice(sorted(set("abcdefghijklmnopqrstuvwxyz") - set(part(LISTS["letter"], True))))
            case "room" | "unit" | "table" | "state" | "food1" | "color" | "animal":
                return self.words(1, 1)
            case "lang" | "sign":
                return self.words(1, 1).capitalize()
            case "day":
                return f"{rng.randint(2020, 2039)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
            case "currency":
                return capitals(3, 3)
            case "ticker":
                return capitals(2, 5)
            case "shell":
                return self.words(1, 2) + rng.choice(["", f" -{rng.choice('abcdefhlmnrtvx')}", " ."])

    def of(self, values):
        return self.rng.choice(part(values, self.held)).replace("_", " ")

    def made_up(self):
        return "".join(self.rng.choice(SYLLABLES) for _ in range(self.rng.choice((2, 2, 3))))

    def name(self):
        r = self.rng.random()
        if r < 0.25 and not self.held:
            return self.any_word().capitalize()
        return self.made_up().capitalize() if r < 0.45 else self.of(NAMES)

    def city(self):
        r = self.rng.random()
        if r < 0.4 and not self.held:
            return self.words(1, 2).title()
        return self.made_up().capitalize() if r < 0.5 else self.of(CITIES)

    def word(self):
        r = self.rng.random()
        if r < 0.5 and not self.held:
            return self.words(1, 1)
        return self.made_up() if r < 0.6 else self.of(WORDS)

    def model(self):
        r = self.rng.random()
        name = self.made_up() if r < 0.35 else self.of(WORDS).lower() if r < 0.5 else self.of(MODELS)
        if self.rng.random() < 0.15:
            name += self.rng.choice([":latest", ":1b", ":7b", ":8b", "-q4", "-v2", ":q8_0", "-mini"])
        return name

    def number(self):
        return self.rng.choice([self.rng.randint(1, 20), self.rng.randint(10, 99), self.rng.randint(100, 999), self.rng.randint(1000, 99999)])

    def slot(self, kind):
        """A value for a kind of slot, as Python has it: int for numbers."""
        rng = self.rng
        if kind.startswith("enum:"):
            return rng.choice(kind[5:].split(","))
        match kind:
            case "city" | "name" | "word":
                return getattr(self, kind)()
            case "country":
                return self.of(COUNTRIES)
            case "num":
                return self.number()
            case "small":
                return rng.randint(1, 40)
            case "deg":
                return rng.randint(0, 35)
            case "time":
                return rng.choice([f"{rng.randint(0, 23)}:{rng.randint(0, 59):02d}", f"{rng.randint(1, 12)} {rng.choice(['am', 'pm'])}"])
            case "email":
                return f"{self.name().lower()}@{self.word()}.{rng.choice(['com', 'org', 'net', 'io'])}"
            case "path":
                return rng.choice(["/home/", "/tmp/", "/srv/", "./", "/var/"]) + self.word()
            case "file":
                return rng.choice(["", "", "/tmp/", "docs/"]) + self.word() + rng.choice([".txt", ".md", ".go", ".json", ".csv"])
            case "url":
                return f"https://{self.word()}.{rng.choice(['com', 'org', 'io'])}" + rng.choice(["", "/" + self.word()])
        free = None if self.held or self.rng.random() > FREE else self.free(kind)
        return free or self.of(LISTS[kind])
