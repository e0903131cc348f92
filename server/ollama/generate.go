package ollama

import (
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/internal/web"
	"github.com/puna-ai/puna/server/ollama/wire"
)

// Generate answers POST /api/generate.
func (a *API) Generate(w *web.Response, r *http.Request) error {
	var in wire.GenerateRequest
	req, err := read(a, r, &in)
	if err != nil {
		return err
	}
	out := &wire.GenerateResponse{Head: wire.Head{Model: in.Model}}
	return a.answer(w, r, req, out, in.Prompt != "", in.Streams())
}

// Chat answers POST /api/chat.
func (a *API) Chat(w *web.Response, r *http.Request) error {
	var in wire.ChatRequest
	req, err := read(a, r, &in)
	if err != nil {
		return err
	}
	out := &wire.ChatResponse{Head: wire.Head{Model: in.Model}}
	return a.answer(w, r, req, out, len(in.Messages) > 0, in.Streams())
}

// answer answers req. One that asks for nothing loads or unloads the model.
func (a *API) answer(w *web.Response, r *http.Request, req *puna.Request, out wire.Answer, asks, streams bool) error {
	if !asks {
		return a.hold(w, r, req, out)
	}
	events := a.Service.Generate(r.Context(), req)
	if !streams {
		ev, err := collect(events)
		if err != nil {
			return err
		}
		a.reportCut(w, r, "a prompt that is", req.Model, ev.Done.Truncated, ev.Done.PromptTokens)
		out.Set(&ev, a.Now())
		return w.JSON(http.StatusOK, out)
	}
	for ev, err := range events {
		if err != nil {
			return err
		}
		if ev.Done != nil {
			a.reportCut(w, r, "a prompt that is", req.Model, ev.Done.Truncated, ev.Done.PromptTokens)
		}
		out.Set(&ev, a.Now())
		if err := w.Send(out, ev.Done != nil); err != nil {
			return err
		}
		if ev.Done != nil {
			return nil
		}
	}
	return errNoEnd()
}

// hold loads a model, or unloads it where it shall stay for no time.
func (a *API) hold(w *web.Response, r *http.Request, req *puna.Request, out wire.Answer) error {
	reason, err := puna.DoneLoad, error(nil)
	if req.KeepAlive != nil && *req.KeepAlive == 0 {
		reason, err = puna.DoneUnload, a.Service.Unload(r.Context(), req.Model)
	} else {
		err = a.Service.Load(r.Context(), req)
	}
	if err != nil {
		return err
	}
	out.Set(&puna.Event{Done: &puna.Done{Reason: reason}}, a.Now())
	return w.JSON(http.StatusOK, out)
}

// collect joins the events of an answer.
func collect(events iter.Seq2[puna.Event, error]) (puna.Event, error) {
	var all puna.Event
	var text, thinking strings.Builder
	for ev, err := range events {
		if err != nil {
			return puna.Event{}, err
		}
		text.WriteString(ev.Text)
		thinking.WriteString(ev.Thinking)
		all.ToolCalls = append(all.ToolCalls, ev.ToolCalls...)
		all.Logprobs = append(all.Logprobs, ev.Logprobs...)
		if ev.Done != nil {
			all.Text, all.Thinking, all.Done = text.String(), thinking.String(), ev.Done
			return all, nil
		}
	}
	return puna.Event{}, errNoEnd()
}

func errNoEnd() error {
	return puna.Errorf(puna.Internal, "the answer broke off before its end")
}

// reportCut says that what a request has was cut, where it was.
func (a *API) reportCut(w *web.Response, r *http.Request, what, model string, cut, prompt int) {
	if cut == 0 {
		return
	}
	w.SetLate(TruncatedHeader, strconv.Itoa(cut))
	a.Log.WarnContext(r.Context(), "cut "+what+" longer than the context; raise num_ctx or send \"truncate\": false",
		"model", model, "cut_tokens", cut, "prompt_tokens", prompt)
}

// read decodes the body of r into in, and what that asks for; options that nobody
// knows are logged.
func read[Req any](a *API, r *http.Request, in interface {
	Request() (Req, []string, error)
}) (Req, error) {
	if err := web.ReadJSON(r, in); err != nil {
		var none Req
		return none, err
	}
	req, unknown, err := in.Request()
	if err == nil {
		a.warnUnknown(r, unknown)
	}
	return req, err
}
