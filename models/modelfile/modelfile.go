package modelfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/ollama/ollama/parser"
	"golang.org/x/mod/semver"

	"github.com/puna-ai/puna"
)

// maxSize limits a Modelfile; licenses and examples make some a few hundred KB long.
const maxSize = 16 << 20

// File is what a Modelfile says.
type File struct {
	From       []string // FROM: a model's name, or paths of the model's and its projector's file
	Adapters   []string // ADAPTER: paths
	Draft      string   // DRAFT: the name, or the file's path, of a model that drafts for this one
	Template   string   // TEMPLATE, in Go's template syntax
	System     string
	Licenses   []string
	Parameters []Parameter // in the file's order; stop may come several times
	Messages   []puna.Message
	Renderer   string // what renders chats instead of a template, by Ollama's name
	Parser     string // what parses answers, by Ollama's name
	Requires   string // the version of Ollama that the model needs, "0.14.0"

	Ignored []string // parameters of older Modelfiles that no longer mean anything
}

// Parameter is a PARAMETER line.
type Parameter struct{ Name, Value string }

// Parse reads a Modelfile. Errors are [puna.Invalid] and name the line where that
// is known.
func Parse(r io.Reader) (*File, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, puna.Errorf(puna.Internal, "reading the Modelfile: %w", err)
	}
	if len(text) > maxSize {
		return nil, puna.Errorf(puna.Invalid, "the Modelfile is larger than %d bytes: is it a model?", maxSize)
	}
	parsed, err := parser.ParseFile(bytes.NewReader(text))
	if err != nil {
		return nil, parseError(err)
	}
	f := &File{}
	for _, c := range parsed.Commands {
		if err := f.add(c); err != nil {
			return nil, puna.Errorf(puna.Invalid, "Modelfile%s: %w", lineOf(text, c), err)
		}
	}
	return f, nil
}

func parseError(err error) error {
	var at *parser.ParserError
	switch {
	case errors.As(err, &at):
		return puna.Errorf(puna.Invalid, "Modelfile, line %d: %s", at.LineNumber, at.Msg)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return puna.Errorf(puna.Invalid, `Modelfile: it ends in the middle of a command: a quote (" or """) isn't closed, or a value is missing`)
	}
	return puna.Errorf(puna.Invalid, "Modelfile: %w", err)
}

// add takes over a command. Names that aren't a command's are parameters'.
func (f *File) add(c parser.Command) error {
	switch c.Name {
	case "model":
		if c.Args == "" {
			return errors.New("FROM needs a model's name or a file's path")
		}
		f.From = append(f.From, c.Args)
	case "adapter":
		if c.Args == "" {
			return errors.New("ADAPTER needs a file's path")
		}
		f.Adapters = append(f.Adapters, c.Args)
	case "template":
		f.Template = c.Args
	case "system":
		f.System = c.Args
	case "license":
		f.Licenses = append(f.Licenses, c.Args)
	case "message":
		role, content, _ := strings.Cut(c.Args, ": ")
		f.Messages = append(f.Messages, puna.Message{Role: puna.Role(role), Content: content})
	case "renderer":
		f.Renderer = c.Args
	case "parser":
		f.Parser = c.Args
	case "requires":
		version := "v" + strings.TrimPrefix(c.Args, "v")
		if !semver.IsValid(version) {
			return fmt.Errorf("REQUIRES %q isn't a version such as 0.14.0", c.Args)
		}
		f.Requires = version[1:]
	case "draft":
		if c.Args == "" {
			return errors.New("DRAFT needs a model's name or a file's path")
		}
		if f.Draft != "" {
			return fmt.Errorf("DRAFT %q is the second: one model drafts, here %q", c.Args, f.Draft)
		}
		f.Draft = c.Args
	default:
		return f.addParameter(c.Name, c.Args)
	}
	return nil
}

// deprecated are parameters of older Modelfiles that Ollama ignores, too.
var deprecated = []string{"penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock", "num_gqa", "tfs_z", "numa"}

func (f *File) addParameter(name, value string) error {
	if slices.Contains(deprecated, name) {
		f.Ignored = append(f.Ignored, name)
		return nil
	}
	if name == "" {
		return errors.New("PARAMETER needs a name, one space behind it")
	}
	var o puna.Options
	known, err := o.Parse(name, value)
	if !known {
		var names []string
		for _, doc := range puna.OptionDocs() {
			names = append(names, doc.Name)
		}
		return fmt.Errorf("unknown parameter %q: there are %s", name, strings.Join(names, ", "))
	}
	if err != nil {
		return err
	}
	f.Parameters = append(f.Parameters, Parameter{name, value})
	return nil
}

// lineOf finds the line of a command, which the parser doesn't keep: the first
// that begins like it. "" if there is none.
func lineOf(text []byte, c parser.Command) string {
	begin := regexp.QuoteMeta(c.Name)
	switch {
	case c.Name == "model":
		begin = "from"
	case c.Name == strings.ToLower(c.Name) && slices.Contains([]string{"adapter", "draft", "requires"}, c.Name):
	default:
		begin = `parameter\s+` + begin
	}
	first, _, _ := strings.Cut(c.Args, "\n")
	pattern, err := regexp.Compile(`(?i)^\s*` + begin + `\s+"*` + regexp.QuoteMeta(first))
	if err != nil {
		return ""
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxSize)
	for n := 1; lines.Scan(); n++ {
		if pattern.Match(lines.Bytes()) {
			return fmt.Sprintf(", line %d", n)
		}
	}
	return ""
}

// Options returns the parameters as options.
func (f *File) Options() (o puna.Options, err error) {
	for _, p := range f.Parameters {
		known, err := o.Parse(p.Name, p.Value)
		if err == nil && !known {
			err = puna.Errorf(puna.Invalid, "unknown parameter %q", p.Name)
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// Request returns a request to create the model called name, without what needs
// files: the caller uploads those that [File.From], [File.Adapters] and [File.Draft]
// name, and sets From, Files, Adapters and Draft.
func (f *File) Request(name string) (*puna.CreateRequest, error) {
	o, err := f.Options()
	if err != nil {
		return nil, err
	}
	return &puna.CreateRequest{
		Model: name, Template: f.Template, System: f.System, License: f.Licenses, Messages: f.Messages,
		Parameters: optionMap(o), Renderer: f.Renderer, Parser: f.Parser, Requires: f.Requires,
	}, nil
}

// String writes the Modelfile.
func (f *File) String() string {
	var b strings.Builder
	write := func(command, value string) { fmt.Fprintln(&b, command, quote(value)) }
	line := func(command, value string) {
		if value != "" {
			write(command, value)
		}
	}
	for _, from := range f.From {
		line("FROM", from)
	}
	for _, adapter := range f.Adapters {
		line("ADAPTER", adapter)
	}
	line("DRAFT", f.Draft)
	line("TEMPLATE", f.Template)
	line("SYSTEM", f.System)
	line("RENDERER", f.Renderer)
	line("PARSER", f.Parser)
	for _, p := range f.Parameters {
		write("PARAMETER "+p.Name, p.Value)
	}
	line("REQUIRES", f.Requires)
	for _, m := range f.Messages {
		write("MESSAGE "+string(m.Role), m.Content)
	}
	for _, license := range f.Licenses {
		line("LICENSE", license)
	}
	return b.String()
}

// quote writes a value so that reading gives it back.
func quote(s string) string {
	switch {
	case s == "":
		return `""`
	case strings.Contains(s, `"`):
		return `"""` + s + `"""`
	case strings.ContainsAny(s, "\r\n") || strings.TrimSpace(s) != s:
		return `"` + s + `"`
	}
	return s
}
