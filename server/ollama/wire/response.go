package wire

import (
	"math"
	"time"

	"github.com/puna-ai/puna"
)

// Failure is the error that a line of a stream may hold instead of an answer. It
// is read by clients; the server never sets it beside an answer.
type Failure struct {
	Error string `json:"error,omitempty"`
}

// Err returns the text of the error, or "".
func (f Failure) Err() string { return f.Error }

// Answer is a line of an answer, a [GenerateResponse] or a [ChatResponse].
type Answer interface {
	// Set overwrites everything but the model.
	Set(ev *puna.Event, now time.Time)
	// Event translates back.
	Event() (puna.Event, error)
	// Err is of a [Failure].
	Err() string
}

// GenerateResponse is an answer of /api/generate, or a part of one.
type GenerateResponse struct {
	Head
	Response string `json:"response"`
	Thinking string `json:"thinking,omitempty"`
	End
	Context []int `json:"context,omitempty"`
	Metrics
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
	Logprobs  []Logprob  `json:"logprobs,omitempty"`
	Failure
}

// ChatResponse is an answer of /api/chat, or a part of one.
type ChatResponse struct {
	Head
	Message Message `json:"message"`
	End
	Logprobs []Logprob `json:"logprobs,omitempty"`
	Metrics
	Failure
}

// Head begins an answer.
type Head struct {
	Model       string    `json:"model"`
	RemoteModel string    `json:"remote_model,omitempty"`
	RemoteHost  string    `json:"remote_host,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
}

// End tells whether, and why, an answer ended.
type End struct {
	Done       bool   `json:"done"`
	DoneReason string `json:"done_reason,omitempty"`
}

// Metrics are the counts and times (nanoseconds) of a whole answer.
type Metrics struct {
	TotalDuration         time.Duration `json:"total_duration,omitempty"`
	LoadDuration          time.Duration `json:"load_duration,omitempty"`
	PromptEvalCount       int           `json:"prompt_eval_count,omitempty"`
	PromptEvalCachedCount *int          `json:"prompt_eval_cached_count,omitempty"` // a known zero is written
	PromptTruncatedCount  int           `json:"prompt_truncated_count,omitempty"`
	PromptEvalDuration    time.Duration `json:"prompt_eval_duration,omitempty"`
	EvalCount             int           `json:"eval_count,omitempty"`
	EvalDuration          time.Duration `json:"eval_duration,omitempty"`
}

// TokenLogprob is a token with its log-probability.
type TokenLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   Bytes   `json:"bytes,omitempty"`
}

// Logprob is a token of an answer and what stood beside it.
type Logprob struct {
	TokenLogprob
	TopLogprobs []TokenLogprob `json:"top_logprobs,omitempty"`
}

// Set implements [Answer].
func (r *GenerateResponse) Set(ev *puna.Event, now time.Time) {
	r.Head.set(ev.Done, now)
	r.End.set(ev.Done)
	r.Metrics.set(ev.Done)
	r.Response, r.Thinking = ev.Text, ev.Thinking
	r.ToolCalls, r.Logprobs = toolCallsToWire(ev.ToolCalls), logprobsToWire(ev.Logprobs)
	r.Context = nil
	if ev.Done != nil {
		r.Context = ev.Done.Context
	}
}

// Set implements [Answer].
func (r *ChatResponse) Set(ev *puna.Event, now time.Time) {
	r.Head.set(ev.Done, now)
	r.End.set(ev.Done)
	r.Metrics.set(ev.Done)
	r.Message = Message{
		Role: string(puna.Assistant), Content: ev.Text, Thinking: ev.Thinking, ToolCalls: toolCallsToWire(ev.ToolCalls),
	}
	r.Logprobs = logprobsToWire(ev.Logprobs)
}

// Event implements [Answer].
func (r *GenerateResponse) Event() (puna.Event, error) {
	calls, err := toolCallsFromWire(r.ToolCalls)
	done := doneFromWire(&r.Head, &r.End, &r.Metrics)
	if done != nil {
		done.Context = r.Context
	}
	return puna.Event{
		Text: r.Response, Thinking: r.Thinking, ToolCalls: calls, Logprobs: logprobsFromWire(r.Logprobs), Done: done,
	}, err
}

// Event implements [Answer].
func (r *ChatResponse) Event() (puna.Event, error) {
	calls, err := toolCallsFromWire(r.Message.ToolCalls)
	return puna.Event{
		Text: r.Message.Content, Thinking: r.Message.Thinking, ToolCalls: calls,
		Logprobs: logprobsFromWire(r.Logprobs), Done: doneFromWire(&r.Head, &r.End, &r.Metrics),
	}, err
}

func (h *Head) set(done *puna.Done, now time.Time) {
	h.CreatedAt = now.UTC()
	if done != nil {
		h.RemoteModel, h.RemoteHost = done.RemoteModel, done.RemoteHost
	}
}

func (e *End) set(done *puna.Done) {
	*e = End{}
	if done != nil {
		*e = End{Done: true, DoneReason: string(done.Reason)}
	}
}

func (m *Metrics) set(done *puna.Done) {
	*m = Metrics{}
	if done == nil {
		return
	}
	*m = Metrics{
		TotalDuration: done.TotalDuration, LoadDuration: done.LoadDuration,
		PromptEvalCount: done.PromptTokens, PromptTruncatedCount: done.Truncated, PromptEvalDuration: done.PromptEvalDuration,
		EvalCount: done.EvalTokens, EvalDuration: done.EvalDuration,
	}
	if done.PromptTokens > 0 {
		m.PromptEvalCachedCount = &done.CachedTokens
	}
}

func doneFromWire(h *Head, e *End, m *Metrics) *puna.Done {
	if !e.Done {
		return nil
	}
	return &puna.Done{
		Reason: puna.DoneReason(e.DoneReason), Truncated: m.PromptTruncatedCount,
		PromptTokens: m.PromptEvalCount, CachedTokens: puna.Or(m.PromptEvalCachedCount, 0), EvalTokens: m.EvalCount,
		TotalDuration: m.TotalDuration, LoadDuration: m.LoadDuration,
		PromptEvalDuration: m.PromptEvalDuration, EvalDuration: m.EvalDuration,
		RemoteModel: h.RemoteModel, RemoteHost: h.RemoteHost,
	}
}

func logprobsToWire(in []puna.TokenLogprob) []Logprob {
	if len(in) == 0 {
		return nil
	}
	out := make([]Logprob, len(in))
	for i := range in {
		out[i].TokenLogprob = tokenToWire(&in[i])
		if len(in[i].Top) > 0 {
			out[i].TopLogprobs = make([]TokenLogprob, len(in[i].Top))
		}
		for j := range in[i].Top {
			out[i].TopLogprobs[j] = tokenToWire(&in[i].Top[j])
		}
	}
	return out
}

// leastLogprob stands for minus infinity, which JSON lacks.
const leastLogprob = -9999

func tokenToWire(t *puna.TokenLogprob) TokenLogprob {
	p := t.Logprob
	if math.IsNaN(p) || p < leastLogprob {
		p = leastLogprob
	}
	return TokenLogprob{Token: t.Token, Logprob: p, Bytes: t.Bytes}
}

func logprobsFromWire(in []Logprob) []puna.TokenLogprob {
	if len(in) == 0 {
		return nil
	}
	out := make([]puna.TokenLogprob, len(in))
	for i := range in {
		out[i] = tokenFromWire(&in[i].TokenLogprob)
		for j := range in[i].TopLogprobs {
			out[i].Top = append(out[i].Top, tokenFromWire(&in[i].TopLogprobs[j]))
		}
	}
	return out
}

func tokenFromWire(t *TokenLogprob) puna.TokenLogprob {
	return puna.TokenLogprob{Token: t.Token, Bytes: t.Bytes, Logprob: t.Logprob}
}
