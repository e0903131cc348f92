// Package parse splits a model's answer into text, thinking and tool calls as it
// streams.
//
// How thoughts and calls look is read off the model's template: the tags around
// them in a Modelfile's TEMPLATE (Ollama's package thinking), in the Jinja text,
// and in a call that the template writes as a probe. Models with a named parser, or
// with the harmony format, go through Ollama's model/parsers and harmony.
//
// What isn't a whole, valid call is text: nothing of an answer is dropped but tags,
// and white space around them. A tag that has come in part is held back until it
// is certain. How an answer is cut into pieces changes nothing about the whole.
package parse
