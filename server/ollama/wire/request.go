package wire

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"

	"github.com/puna-ai/puna"
)

// Common is what both kinds of request can ask.
type Common struct {
	Model     string          `json:"model"`
	Stream    *bool           `json:"stream,omitempty"` // nil: true
	Format    json.RawMessage `json:"format,omitempty"`
	KeepAlive *KeepAlive      `json:"keep_alive,omitempty"`
	Options   map[string]any  `json:"options,omitempty"`
	Think     *api.ThinkValue `json:"think,omitempty"`
	Truncate  *bool           `json:"truncate,omitempty"` // nil: true
	Shift     *bool           `json:"shift,omitempty"`    // nil: true

	Logprobs    bool `json:"logprobs,omitempty"`
	TopLogprobs int  `json:"top_logprobs,omitempty"`

	DebugRenderOnly bool `json:"_debug_render_only,omitempty"`
}

// GenerateRequest is the body of POST /api/generate.
type GenerateRequest struct {
	Common
	Prompt   string  `json:"prompt"`
	Suffix   string  `json:"suffix,omitempty"`
	System   string  `json:"system,omitempty"`
	Template string  `json:"template,omitempty"`
	Context  []int   `json:"context,omitempty"`
	Raw      bool    `json:"raw,omitempty"`
	Images   []Image `json:"images,omitempty"`
}

// ChatRequest is the body of POST /api/chat.
type ChatRequest struct {
	Common
	Messages   []Message       `json:"messages"`
	Tools      []Tool          `json:"tools,omitempty"`
	ToolChoice puna.ToolChoice `json:"tool_choice,omitempty"`
}

// Streams reports whether the answer is to be streamed.
func (c *Common) Streams() bool { return puna.Or(c.Stream, true) }

// Request translates r. It returns the names of unknown options, which are
// ignored. Errors are [puna.Invalid], [puna.NotFound] or [puna.Unsupported].
func (r *GenerateRequest) Request() (req *puna.Request, unknown []string, err error) {
	req, unknown, err = r.Common.request()
	if err != nil {
		return nil, nil, err
	}
	if r.Raw && (r.Template != "" || r.System != "" || len(r.Context) > 0) {
		return nil, nil, puna.Errorf(puna.Invalid, "raw mode does not support template, system, or context")
	}
	req.Prompt, req.Suffix, req.System, req.Template = r.Prompt, r.Suffix, r.System, r.Template
	req.Context, req.Raw, req.Images = r.Context, r.Raw, imagesFromWire(r.Images)
	return req, unknown, nil
}

// Request translates r, as [GenerateRequest.Request] does.
func (r *ChatRequest) Request() (req *puna.Request, unknown []string, err error) {
	req, unknown, err = r.Common.request()
	if err != nil {
		return nil, nil, err
	}
	if req.Messages, err = messagesFromWire(r.Messages); err != nil {
		return nil, nil, err
	}
	if req.Tools, err = toolsFromWire(r.Tools); err != nil {
		return nil, nil, err
	}
	req.ToolChoice = r.ToolChoice
	return req, unknown, nil
}

func (c *Common) request() (*puna.Request, []string, error) {
	if err := CheckModel(c.Model); err != nil {
		return nil, nil, err
	}
	if c.TopLogprobs < 0 || c.TopLogprobs > 20 {
		return nil, nil, puna.Errorf(puna.Invalid, "top_logprobs must be between 0 and 20")
	}
	if c.DebugRenderOnly {
		return nil, nil, puna.Errorf(puna.Unsupported, "_debug_render_only is not supported")
	}
	answer, err := format(c.Format)
	if err != nil {
		return nil, nil, err
	}
	options, unknown, err := optionsFromWire(c.Options)
	if err != nil {
		return nil, nil, err
	}
	return &puna.Request{
		Model: c.Model, Format: answer, Options: options, Think: thinkFromWire(c.Think),
		KeepAlive: (*time.Duration)(c.KeepAlive),
		Truncate:  new(puna.Or(c.Truncate, true)), Shift: new(puna.Or(c.Shift, true)),
		Logprobs: c.Logprobs, TopLogprobs: c.TopLogprobs,
	}, unknown, nil
}

// CheckModel returns an error for what can't be a model's name in a store. A path
// is none: whoever reaches the server must not choose files on its disk.
func CheckModel(name string) error {
	if name == "" {
		return puna.Errorf(puna.Invalid, "model is required")
	}
	if !validName(name) {
		return puna.Errorf(puna.NotFound, "model '%s' not found", name)
	}
	return nil
}

func validName(name string) bool {
	// A leading slash would parse as an empty host.
	return name[0] != '/' && model.ParseName(name).IsValid()
}

func optionsFromWire(in map[string]any) (out puna.Options, unknown []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		known, err := out.Set(name, in[name])
		if err != nil {
			return out, nil, err
		}
		if !known {
			unknown = append(unknown, name)
		}
	}
	return out, unknown, nil
}

// NewGenerateRequest translates a completion, to be streamed.
func NewGenerateRequest(req *puna.Request) (*GenerateRequest, error) {
	common, err := newCommon(req)
	if err != nil {
		return nil, err
	}
	return &GenerateRequest{
		Common: common, Prompt: req.Prompt, Suffix: req.Suffix, System: req.System, Template: req.Template,
		Context: req.Context, Raw: req.Raw, Images: imagesToWire(req.Images),
	}, nil
}

// NewChatRequest translates a chat, to be streamed.
func NewChatRequest(req *puna.Request) (*ChatRequest, error) {
	common, err := newCommon(req)
	if err != nil {
		return nil, err
	}
	return &ChatRequest{
		Common: common, Messages: messagesToWire(req.Messages), Tools: toolsToWire(req.Tools), ToolChoice: req.ToolChoice,
	}, nil
}

func newCommon(req *puna.Request) (Common, error) {
	options, err := optionsToWire(req.Options)
	if err != nil {
		return Common{}, err
	}
	return Common{
		Model: req.Model, Format: req.Format, KeepAlive: (*KeepAlive)(req.KeepAlive), Options: options,
		Think: thinkToWire(req.Think), Truncate: req.Truncate, Shift: req.Shift,
		Logprobs: req.Logprobs, TopLogprobs: req.TopLogprobs,
	}, nil
}

func optionsToWire(o puna.Options) (map[string]any, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "options: %w", err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, puna.Errorf(puna.Internal, "options: %w", err)
	}
	return out, nil
}
