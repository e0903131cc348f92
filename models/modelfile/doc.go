// Package modelfile reads and writes Modelfiles, Ollama's recipes for models. It
// wraps Ollama's package parser, so both programs read the same files alike, and
// checks besides what parameters say.
//
// Caveats: the format has no way to write a text in which a line ends with three
// quotes; [File.String] writes it as it is, and reading that gives another text.
// Characters that aren't printable, other than newlines and tabs, are dropped.
package modelfile
