// Package template turns chats into prompts by the template that a model carries.
// A model's template is the first of: its Modelfile's TEMPLATE (Go syntax, with
// Ollama's functions and rules), a named renderer of Ollama's, the Jinja template
// of its GGUF, or ChatML. [Template] hides which.
//
// Jinja templates differ in what they can take (a system message, tool calls with
// arguments as objects or as text, ids of nine characters, and so on). [New]
// renders a few probes and [Template.Render] shapes messages by what came out.
//
// Caveats. Rendered prompts hold control tokens as text, and so may the user's
// messages: models' own templates know no escape. Templates come with model files
// from anywhere, so work and output are bounded; hitting a bound is an error that
// names the model.
package template
