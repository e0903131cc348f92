// Package jinja interprets the Jinja templates that models carry, the way
// Hugging Face's transformers runs them: Jinja2 with trim_blocks, lstrip_blocks,
// loop controls, a sandbox, and the functions raise_exception and strftime_now
// (huggingface/transformers, utils/chat_template_utils.py).
//
// A template comes with a model file from anywhere, so a run is bounded: steps,
// bytes made and nesting are counted, and one that goes over a limit ends with an
// error. That, and expressions such as ("a" if x else "b") in parentheses, is why
// this isn't a general template library: those can't be interrupted, and a stack
// or memory that runs out ends the process.
//
// Caveats. Integers have 64 bits; an overflow is an error. What generators are in
// Python are lists here. Left out because chat templates can't use them:
// inheritance, includes and imports, autoescape, translations, and whatever
// changes its object in place (list.append), which the sandbox forbids too.
package jinja
