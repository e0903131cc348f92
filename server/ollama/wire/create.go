package wire

import (
	"cmp"
	"io/fs"
	"regexp"
	"strings"

	"github.com/ollama/ollama/api"

	"github.com/puna-ai/puna"
)

// CreateRequest is the body of POST /api/create.
type CreateRequest struct {
	api.CreateRequest
	Messages []Message `json:"messages,omitempty"`
	Draft    string    `json:"draft,omitempty"` // a model's name, or a blob's digest; Ollama has no such field
}

// Streams reports whether progress is to be streamed.
func (r *CreateRequest) Streams() bool { return puna.Or(r.Stream, true) }

// Request translates r.
func (r *CreateRequest) Request() (*puna.CreateRequest, error) {
	name := cmp.Or(r.Model, r.Name)
	switch {
	case name == "":
		return nil, puna.Errorf(puna.Invalid, "model is required")
	case !validName(name):
		return nil, puna.Errorf(puna.Invalid, "invalid model name %q", name)
	case r.From != "" && !validName(r.From):
		return nil, puna.Errorf(puna.Invalid, `from: invalid model name %q; a file is sent to /api/blobs first and named in "files"`, r.From)
	}
	if err := r.unsupported(); err != nil {
		return nil, err
	}
	draft, err := draftFromWire(r.Draft)
	if err != nil {
		return nil, err
	}
	files, err := checkFiles("files", r.Files)
	if err != nil {
		return nil, err
	}
	adapters, err := checkFiles("adapters", r.Adapters)
	if err != nil {
		return nil, err
	}
	license, err := licenses(r.License)
	if err != nil {
		return nil, err
	}
	messages, err := messagesFromWire(r.Messages)
	if err != nil {
		return nil, err
	}
	return &puna.CreateRequest{
		Model: name, From: r.From, Files: files, Adapters: adapters, Draft: draft, Template: r.Template, License: license,
		System: r.System, Parameters: r.Parameters, Messages: messages, Quantize: cmp.Or(r.Quantize, r.Quantization),
		Renderer: r.Renderer, Parser: r.Parser, Requires: r.Requires,
	}, nil
}

// unsupported refuses fields that would change the model's answers if ignored.
func (r *CreateRequest) unsupported() error {
	for field, set := range map[string]bool{
		"remote_host": r.RemoteHost != "", "info": len(r.Info) > 0,
	} {
		if set {
			return puna.Errorf(puna.Unsupported, "create: %q is not supported", field)
		}
	}
	return nil
}

// NewCreateRequest translates req, to be streamed.
func NewCreateRequest(req *puna.CreateRequest) *CreateRequest {
	out := &CreateRequest{
		CreateRequest: api.CreateRequest{
			Model: req.Model, From: req.From, Files: req.Files, Adapters: req.Adapters, Template: req.Template,
			System: req.System, Parameters: req.Parameters, Quantize: req.Quantize,
			Renderer: req.Renderer, Parser: req.Parser, Requires: req.Requires,
		},
		Messages: messagesToWire(req.Messages), Draft: req.Draft,
	}
	if len(req.License) > 0 {
		out.License = req.License
	}
	return out
}

func licenses(value any) ([]string, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case string:
		if v == "" {
			return nil, nil
		}
		return []string{v}, nil
	case []any:
		out := make([]string, len(v))
		for i, item := range v {
			text, ok := item.(string)
			if !ok {
				return nil, puna.Errorf(puna.Invalid, "license[%d] must be a string, not %v", i, item)
			}
			out[i] = text
		}
		return out, nil
	}
	return nil, puna.Errorf(puna.Invalid, "license must be a string or a list of strings, not %v", value)
}

func checkFiles(field string, files map[string]string) (map[string]string, error) {
	if len(files) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(files))
	for name, digest := range files {
		if !fs.ValidPath(name) {
			return nil, puna.Errorf(puna.Invalid, "%s: %q must be a relative path without dots", field, name)
		}
		normal, err := Digest(digest)
		if err != nil {
			return nil, puna.Errorf(puna.Invalid, "%s: %q: %w", field, name, err)
		}
		out[name] = normal
	}
	return out, nil
}

func draftFromWire(draft string) (string, error) {
	if digest, err := Digest(draft); err == nil {
		return digest, nil
	}
	if draft != "" && !validName(draft) {
		return "", puna.Errorf(puna.Invalid, `draft: invalid model name %q; a file is sent to /api/blobs first and named by its digest`, draft)
	}
	return draft, nil
}

var digestPattern = regexp.MustCompile(`^sha256[:-][0-9a-fA-F]{64}$`)

// Digest returns a blob's digest in the form of package puna, "sha256:<64 hex>";
// the API also takes "sha256-".
func Digest(text string) (string, error) {
	if !digestPattern.MatchString(text) {
		return "", puna.Errorf(puna.Invalid, `invalid digest %q: it must be "sha256:" and 64 hex digits`, text)
	}
	return "sha256:" + strings.ToLower(text[len("sha256:"):]), nil
}
