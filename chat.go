package puna

import (
	"encoding/json"
	"time"
)

// Role says who wrote a message.
type Role string

// The roles that chat templates know. Others pass through to the template.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
	ToolRole  Role = "tool"
)

// Message is one turn of a chat.
type Message struct {
	Role       Role
	Content    string
	Thinking   string   // what the assistant thought before Content
	Images     [][]byte // encoded image files (PNG, JPEG, ...)
	ToolCalls  []ToolCall
	ToolName   string // of a tool's answer: which tool
	ToolCallID string // of a tool's answer: which call
}

// Tool is a function that the model may ask the caller to run.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // a JSON schema of type object; nil means no parameters
}

// ToolCall is the model's request to run a tool.
type ToolCall struct {
	ID        string
	Index     int             // position among the calls of one message, from 0
	Name      string          // as in [Tool]
	Arguments json.RawMessage // a JSON object, keys in the order the model wrote them
}

// Think says whether, and how hard, a model may think before it answers.
// Only models with the capability "thinking" take what asks for it; the others
// answer it with [Unsupported], and take [ThinkOff].
type Think string

// The levels are those of Ollama's API; a model that knows no levels takes each
// of them as [ThinkOn].
const (
	ThinkDefault Think = "" // the model's own default
	ThinkOff     Think = "false"
	ThinkOn      Think = "true"
	ThinkLow     Think = "low"
	ThinkMedium  Think = "medium"
	ThinkHigh    Think = "high"
	ThinkMax     Think = "max"
)

// Enabled reports whether t asks for thinking.
func (t Think) Enabled() bool { return t != ThinkDefault && t != ThinkOff }

// Request asks a model for text. A request with Messages is a chat; one without
// completes Prompt (with Suffix: fills in between the two).
//
// It has more than 15 fields because it is the union of what the surfaces can ask.
type Request struct {
	Model string // a name in the store, or for some services a path

	Messages   []Message
	Tools      []Tool
	ToolChoice ToolChoice

	Prompt   string
	Suffix   string
	Images   [][]byte // belong to Prompt
	Context  []int    // tokens of earlier exchanges, from [Done.Context]
	Raw      bool     // Prompt goes to the model as it is, without a template
	System   string   // overrides the model's system message
	Template string   // overrides the model's template (Go template syntax)

	Think       Think
	Format      json.RawMessage // nil, `"json"`, or a JSON schema that the answer must satisfy
	Options     Options         // over the model's own, over the defaults
	KeepAlive   *time.Duration  // how long the model stays loaded after this; negative: for ever; nil: the service's default
	Truncate    *bool           // cut a prompt that is too long instead of failing; nil: the surface's default
	Shift       *bool           // drop old tokens when the context fills up while generating; nil: the surface's default
	Logprobs    bool
	TopLogprobs int // 0 to 20 alternatives for each token

	// OnLoad, where set, is called with the loaded share (0 to 1) while this request
	// waits for its model. Services that can't know it never call it.
	OnLoad func(fraction float64)
}

// ToolChoice restricts the use of tools: "" or "auto" (the model decides),
// "none", "required" (some tool), or a tool's name. Where a model's template doesn't
// show how it calls, the last two are [Unsupported] errors.
type ToolChoice string

// Event is one piece of an answer. Zero or more pieces with text come first; the
// last event of an answer that ended well has Done set, and only that one.
type Event struct {
	Text      string // valid UTF-8, since the last event
	Thinking  string // valid UTF-8, since the last event
	ToolCalls []ToolCall
	Logprobs  []TokenLogprob // of the tokens behind Text and Thinking
	Done      *Done
}

// TokenLogprob is the log-probability (natural log, before sampling filters) of
// a sampled token and of the likeliest alternatives at its place.
type TokenLogprob struct {
	Token   string
	Bytes   []byte // the token's exact bytes; Token may hold U+FFFD
	Logprob float64
	Top     []TokenLogprob // at most [Request.TopLogprobs], likeliest first, each without Top
}

// DoneReason says why an answer ended.
type DoneReason string

// The reasons of Ollama's API.
const (
	DoneStop   DoneReason = "stop"   // the model ended its turn, or a stop string came
	DoneLength DoneReason = "length" // num_predict or the context was used up
	DoneLoad   DoneReason = "load"   // nothing was asked: the model was loaded
	DoneUnload DoneReason = "unload" // nothing was asked: the model was unloaded
)

// Done ends an answer.
type Done struct {
	Reason    DoneReason
	Context   []int // of a completion: tokens of prompt and answer, for the next request
	Truncated int   // tokens of the prompt that were cut to fit the context; 0: none

	PromptTokens   int // tokens of the prompt, reused ones included
	CachedTokens   int // of these, how many came from the prefix cache
	EvalTokens     int // tokens generated
	DraftTokens    int // drafted by speculation; 0 also where another server answered
	AcceptedTokens int // of these, how many the answer has

	TotalDuration      time.Duration
	LoadDuration       time.Duration
	PromptEvalDuration time.Duration
	EvalDuration       time.Duration

	RemoteModel string // set where another server answered
	RemoteHost  string
}
