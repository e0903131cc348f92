"""Writes what Jinja2 makes of the templates and snippets beside this file, set up
as Hugging Face's transformers sets it up for chat templates. The Go tests compare
with it byte by byte. Needs jinja2 3.1; run it here: python3 generate.py
"""

import datetime
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2026, 3, 5, 14, 7, 9)


class Generation(jinja2.ext.Extension):
    """{% generation %}...{% endgeneration %} prints its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_run"), [], [], body).set_lineno(line)

    def _run(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
)
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = lambda fmt: NOW.strftime(fmt)


def render(source, context):
    try:
        return {"text": env.from_string(source).render(**context)}
    except Exception as e:  # whatever it is, the template can't render this
        return {"error": f"{type(e).__name__}: {e}"}


def write(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    cases = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
    for file in sorted((HERE / "templates").glob("*.jinja")):
        source = file.read_bytes().decode("utf-8")
        golden = {name: render(source, {**cases["common"], **case}) for name, case in cases["cases"].items()}
        write(HERE / "golden" / (file.stem + ".json"), golden)
    snippets = json.loads((HERE / "snippets.json").read_text(encoding="utf-8"))
    golden = [{"source": s, **render(s, snippets["context"])} for s in snippets["sources"]]
    write(HERE / "golden-snippets.json", golden)


if __name__ == "__main__":
    main()
