package create

import (
	"bytes"
	"encoding/json"
	"os"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/info"
	"github.com/puna-ai/puna/models/store"
)

// texts adds what the request says in words, in place of what the base has.
func (j *job) texts() error {
	for _, t := range []struct{ mediaType, text string }{
		{store.MediaTemplate, j.req.Template}, {store.MediaSystem, j.req.System},
	} {
		if t.text == "" {
			continue
		}
		j.drop(t.mediaType)
		if t.mediaType == store.MediaTemplate {
			j.drop(store.MediaPrompt)
			j.config.Renderer, j.config.Parser = "", "" // they belong to the base's template
		}
		if err := j.putText(t.mediaType, t.text); err != nil {
			return err
		}
	}
	for _, license := range j.req.License {
		if err := j.putText(store.MediaLicense, license); err != nil {
			return err
		}
	}
	if len(j.req.Messages) == 0 {
		return nil
	}
	j.drop(store.MediaMessages)
	type message struct {
		Role    puna.Role `json:"role"`
		Content string    `json:"content"`
		Images  [][]byte  `json:"images,omitempty"`
	}
	messages := make([]message, len(j.req.Messages))
	for i, m := range j.req.Messages {
		messages[i] = message{m.Role, m.Content, m.Images}
	}
	return j.putJSON(store.MediaMessages, messages)
}

func (j *job) putJSON(mediaType string, v any) error {
	text, err := toJSON(v)
	if err != nil {
		return err
	}
	return j.putText(mediaType, text)
}

// toJSON encodes without escaping what HTML would need, as Ollama's layers read.
func toJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", puna.Errorf(puna.Internal, "%w", err)
	}
	return b.String(), nil
}

// readParams reads the base's parameters, unknown ones included, so that they
// survive.
func (j *job) readParams(man *store.Manifest) error {
	for _, l := range man.Layers {
		if l.MediaType != store.MediaParams {
			continue
		}
		path, err := j.creator.Store.BlobPath(l.Digest)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return puna.Errorf(puna.Internal, "%w", err)
		}
		if err := json.Unmarshal(data, &j.params); err != nil {
			return puna.Errorf(puna.Invalid, "the parameters of model '%s' are broken: %w", man.Name, err)
		}
	}
	return nil
}

// parameters writes the request's parameters over the base's.
func (j *job) parameters() error {
	if len(j.req.Parameters) == 0 {
		return nil
	}
	text, err := toJSON(j.options)
	if err != nil {
		return err
	}
	params := j.params
	if params == nil {
		params = map[string]any{}
	}
	if err := json.Unmarshal([]byte(text), &params); err != nil {
		return puna.Errorf(puna.Internal, "%w", err)
	}
	j.drop(store.MediaParams)
	return j.putJSON(store.MediaParams, params)
}

// configLayer adds the config: what the model is and can do.
func (j *job) configLayer() (store.Layer, error) {
	c, req, f := &j.config, j.req, j.model
	if req.Renderer != "" || req.Parser != "" {
		c.Renderer, c.Parser = req.Renderer, req.Parser
	}
	if req.Requires != "" {
		c.Requires = req.Requires
	}
	m := &store.Model{Config: *c, Template: req.Template}
	for _, l := range j.layers {
		path, err := j.creator.Store.BlobPath(l.Digest)
		if err != nil {
			return store.Layer{}, err
		}
		switch l.MediaType {
		case store.MediaProjector:
			m.Projectors = append(m.Projectors, path)
		case store.MediaTemplate, store.MediaPrompt:
			text, err := os.ReadFile(path)
			if err != nil {
				return store.Layer{}, puna.Errorf(puna.Internal, "%w", err)
			}
			m.Template = string(text)
		}
	}
	info.FillConfig(c, m, f, j.layers)
	text, err := toJSON(c)
	if err != nil {
		return store.Layer{}, err
	}
	l, _, err := j.change.Put(j.ctx, store.MediaConfig, bytes.NewBufferString(text))
	return l, err
}
