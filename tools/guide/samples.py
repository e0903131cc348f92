"""Writes testdata/tokens.json: texts of the corpus, odd ones too, with the ids of the training tokenizer.

tokens_test.go holds llama.cpp's ids against them.
"""

import json
import random
from pathlib import Path

from tokenizers import Tokenizer

from tokenizer import BUILD

ODD = ["", " ", "  two  spaces ", "tabs\tand\n\n\nlines\r\n", "it's we'll I'M they'd", "1234567890 3.14 1e9", "naïve Zürich 北京 🦙🦙",
       "((a+b)*c) => {x: [1,2]} // end;", '{"a":"b","c": "d"}', "<think>\nx\n</think>\n\n<tool_call>\n{}\n</tool_call><|im_end|>\n", "PUNA_HOST=0.0.0.0:8080"]


def main():
    tok = Tokenizer.from_file(str(BUILD / "tokenizer.json"))
    with open(BUILD / "train.jsonl") as f:
        docs = ["".join(t for t, _ in json.loads(line)) for line in f]
    texts = ODD + random.Random(1).sample([d for d in docs if len(d) < 900], 50)
    out = [{"text": t, "ids": tok.encode(t).ids} for t in texts]
    path = Path(__file__).parent / "testdata" / "tokens.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(x, ensure_ascii=False, separators=(",", ":")) for x in out) + "\n]\n")


if __name__ == "__main__":
    main()
