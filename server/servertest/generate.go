package servertest

import (
	"cmp"
	"context"
	"hash/fnv"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/puna-ai/puna"
)

var words = strings.Fields(`the high plain where llamas live is wide and cold in winter but
	grass grows near every spring so herds walk slowly from lake to lake while wind sings`)

// Generate implements [puna.Generator].
func (f *Fake) Generate(ctx context.Context, req *puna.Request) iter.Seq2[puna.Event, error] {
	return func(yield func(puna.Event, error) bool) {
		f.mu.Lock()
		card, err := f.hold(req)
		f.mu.Unlock()
		if err != nil {
			yield(puna.Event{}, err)
			return
		}
		if f.Answer != nil {
			f.Answer(ctx, req)(yield)
			return
		}
		defer func() {
			if req.KeepAlive != nil && *req.KeepAlive == 0 {
				_ = f.Unload(ctx, card.Name)
			}
		}()
		answer(ctx, req, yield)
	}
}

// answer is the fake model.
func answer(ctx context.Context, req *puna.Request, yield func(puna.Event, error) bool) {
	start := time.Now()
	prompt := promptOf(req)
	done := &puna.Done{Reason: puna.DoneStop, PromptTokens: len(prompt) + len(req.Context)}
	if most := contextOf(req); done.PromptTokens > most {
		if !puna.Or(req.Truncate, false) {
			yield(puna.Event{}, puna.Errorf(puna.TooLong, "the prompt has %d tokens, the context %d: raise num_ctx", done.PromptTokens, most))
			return
		}
		done.Truncated, done.PromptTokens = done.PromptTokens-most, most
	}
	if req.Think.Enabled() && !yield(puna.Event{Thinking: "A question."}, nil) {
		return
	}
	pieces, calls := replyTo(req, prompt)
	text := strings.Join(pieces, "")
	limit := stopAt(text, req.Options.Stop)
	for i, piece := range pieces {
		switch most := puna.Or(req.Options.NumPredict, -1); {
		case limit == 0:
		case most >= 0 && i >= most:
			done.Reason, limit = puna.DoneLength, 0
		case ctx.Err() != nil:
			yield(puna.Event{}, puna.Errorf(puna.Canceled, "request canceled: %w", ctx.Err()))
			return
		default:
			done.EvalTokens++
			piece = piece[:min(len(piece), limit)]
			limit -= len(piece)
			if !yield(puna.Event{Text: piece, Logprobs: logprobsOf(req, piece)}, nil) {
				return
			}
		}
	}
	if !req.Raw && req.Messages == nil {
		done.Context = make([]int, done.PromptTokens+done.EvalTokens)
	}
	done.TotalDuration = max(time.Since(start), 1)
	done.EvalDuration, done.PromptEvalDuration = done.TotalDuration, 1
	yield(puna.Event{ToolCalls: calls, Done: done}, nil)
}

func contextOf(req *puna.Request) int { return puna.Or(req.Options.NumCtx, 4096) }

func promptOf(req *puna.Request) []string {
	all := strings.Fields(req.System + " " + req.Prompt + " " + req.Suffix)
	for _, m := range req.Messages {
		all = append(all, strings.Fields(m.Content)...)
	}
	return all
}

// replyTo returns the tokens of the answer, and the tools it calls.
func replyTo(req *puna.Request, prompt []string) ([]string, []puna.ToolCall) {
	switch {
	case req.ToolChoice == "required", slices.ContainsFunc(req.Tools, func(t puna.Tool) bool { return string(req.ToolChoice) == t.Name }):
		return nil, []puna.ToolCall{{ID: "call_1", Name: cmp.Or(req.Tools[0].Name), Arguments: []byte(`{"b":1.0,"a":12345678901234567890}`)}}
	case req.Format != nil:
		return []string{"{", `"ok"`, ":", "true", "}"}, nil
	}
	hash := fnv.New64a()
	hash.Write([]byte(strings.Join(prompt, " ")))
	if puna.Or(req.Options.Temperature, 0.8) > 0 {
		hash.Write([]byte{byte(puna.Or(req.Options.Seed, int(time.Now().UnixNano())))})
	}
	state := hash.Sum64()
	pieces := make([]string, 0, 24)
	for range 8 + state%16 {
		state = state*6364136223846793005 + 1442695040888963407
		pieces = append(pieces, " "+words[state>>33%uint64(len(words))])
	}
	return pieces, nil
}

// stopAt returns how many bytes of text come before the first stop string.
func stopAt(text string, stops []string) int {
	limit := len(text)
	for _, stop := range stops {
		if i := strings.Index(text, stop); i >= 0 {
			limit = min(limit, i)
		}
	}
	return limit
}

func logprobsOf(req *puna.Request, piece string) []puna.TokenLogprob {
	if !req.Logprobs {
		return nil
	}
	token := puna.TokenLogprob{Token: piece, Bytes: []byte(piece), Logprob: -0.25}
	all := []puna.TokenLogprob{token}
	for i := range req.TopLogprobs {
		token.Logprob = -0.25 * float64(i+1)
		all[0].Top = append(all[0].Top, token)
	}
	return all
}
