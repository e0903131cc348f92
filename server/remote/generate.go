package remote

import (
	"cmp"
	"context"
	"iter"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/ollama/wire"
)

// Generate implements [puna.Generator].
func (c *Service) Generate(ctx context.Context, req *puna.Request) iter.Seq2[puna.Event, error] {
	careful := *req
	careful.Truncate = new(puna.Or(req.Truncate, false))
	if req.Messages != nil {
		body, err := wire.NewChatRequest(&careful)
		return c.answer(ctx, "/api/chat", req.Model, body, err, func() wire.Answer { return new(wire.ChatResponse) })
	}
	body, err := wire.NewGenerateRequest(&careful)
	return c.answer(ctx, "/api/generate", req.Model, body, err, func() wire.Answer { return new(wire.GenerateResponse) })
}

// answer translates the lines of an answer to body; err is why there is no body.
func (c *Service) answer(ctx context.Context, path, model string, body any, err error, next func() wire.Answer) iter.Seq2[puna.Event, error] {
	return func(yield func(puna.Event, error) bool) {
		if err != nil {
			yield(puna.Event{}, err)
			return
		}
		for v, err := range lines(ctx, c, path, body, next) {
			if err != nil {
				yield(puna.Event{}, err)
				return
			}
			ev, err := v.Event()
			if err != nil {
				yield(puna.Event{}, err)
				return
			}
			if ev.Done != nil {
				ev.Done.RemoteModel = cmp.Or(ev.Done.RemoteModel, model)
				ev.Done.RemoteHost = cmp.Or(ev.Done.RemoteHost, c.Host())
			}
			if !yield(ev, nil) || ev.Done != nil {
				return
			}
		}
		yield(puna.Event{}, puna.Errorf(puna.Unavailable, "%s broke off the answer", c.Host()))
	}
}

// Load implements [puna.Loader].
func (c *Service) Load(ctx context.Context, req *puna.Request) error {
	body, err := wire.NewGenerateRequest(&puna.Request{
		Model: req.Model, Options: req.Options, KeepAlive: req.KeepAlive, Think: req.Think,
	})
	if err != nil {
		return err
	}
	return c.hold(ctx, body)
}

// Unload implements [puna.Loader].
func (c *Service) Unload(ctx context.Context, model string) error {
	return c.hold(ctx, &wire.GenerateRequest{Common: wire.Common{Model: model, KeepAlive: new(wire.KeepAlive)}})
}

func (c *Service) hold(ctx context.Context, body *wire.GenerateRequest) error {
	body.Stream = new(false)
	return c.call(ctx, "POST", "/api/generate", body, new(wire.GenerateResponse))
}
