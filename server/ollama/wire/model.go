package wire

import (
	"math"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"

	"github.com/puna-ai/puna"
)

// Details is the summary of a model.
type Details struct {
	api.ModelDetails
	ContextLength   int `json:"context_length,omitempty"`
	EmbeddingLength int `json:"embedding_length,omitempty"`
}

// ListResponse is the answer of GET /api/tags.
type ListResponse struct {
	Models []ListModel `json:"models"`
}

// ListModel is a line of it.
type ListModel struct {
	api.ListModelResponse
	Details      Details            `json:"details,omitempty"`
	Capabilities []model.Capability `json:"capabilities,omitempty"`
}

// ProcessResponse is the answer of GET /api/ps.
type ProcessResponse struct {
	Models []ProcessModel `json:"models"`
}

// ProcessModel is a line of it.
type ProcessModel struct {
	api.ProcessModelResponse
	Details Details `json:"details,omitempty"`
}

// ShowResponse is the answer of POST /api/show.
type ShowResponse struct {
	api.ShowResponse
	Details  Details   `json:"details,omitempty"`
	Messages []Message `json:"messages,omitempty"`
}

// Version is the answer of GET /api/version.
type Version struct {
	Version string `json:"version"`
}

// Progress is a line of /api/create.
type Progress struct {
	api.ProgressResponse
	Failure
}

// NewListResponse translates the store's list.
func NewListResponse(models []puna.Model) *ListResponse {
	out := &ListResponse{Models: make([]ListModel, len(models))}
	for i, m := range models {
		out.Models[i] = ListModel{
			ListModelResponse: api.ListModelResponse{Name: m.Name, Model: m.Name, ModifiedAt: m.Modified, Size: m.Size, Digest: m.Digest},
			Details:           detailsToWire(m.Details),
			Capabilities:      convert[model.Capability](m.Capabilities),
		}
	}
	return out
}

// Model translates back.
func (m *ListModel) Model() puna.Model {
	return puna.Model{
		Name: m.Name, Modified: m.ModifiedAt, Size: m.Size, Digest: m.Digest,
		Details: m.Details.details(), Capabilities: convert[puna.Capability](m.Capabilities),
	}
}

// NewProcessResponse translates the list of loaded models. One that never expires
// gets the end of Go's durations for its time, as Ollama does.
func NewProcessResponse(models []puna.RunningModel, now time.Time) *ProcessResponse {
	out := &ProcessResponse{Models: make([]ProcessModel, len(models))}
	for i, m := range models {
		expires := m.Expires
		if expires.IsZero() {
			expires = now.Add(math.MaxInt64)
		}
		out.Models[i] = ProcessModel{
			ProcessModelResponse: api.ProcessModelResponse{
				Name: m.Name, Model: m.Name, Size: m.Size, Digest: m.Digest,
				ExpiresAt: expires, SizeVRAM: m.SizeVRAM, ContextLength: m.ContextLength,
			},
			Details: detailsToWire(m.Details),
		}
	}
	return out
}

// Model translates back. Who expires in a century or later never does.
func (m *ProcessModel) Model(now time.Time) puna.RunningModel {
	expires := m.ExpiresAt
	if expires.After(now.AddDate(100, 0, 0)) {
		expires = time.Time{}
	}
	return puna.RunningModel{
		Name: m.Name, Digest: m.Digest, Details: m.Details.details(), Size: m.Size, SizeVRAM: m.SizeVRAM,
		Expires: expires, ContextLength: m.ContextLength,
	}
}

// NewShowResponse translates a description.
func NewShowResponse(card *puna.ModelCard) *ShowResponse {
	out := &ShowResponse{
		ShowResponse: api.ShowResponse{
			License: card.License, Modelfile: card.Modelfile, Parameters: card.Parameters, Template: card.Template, System: card.System,
			ModelInfo: card.Info, ProjectorInfo: card.Projector,
			Capabilities: convert[model.Capability](card.Capabilities), ModifiedAt: card.Modified,
		},
		Details:  detailsToWire(card.Details),
		Messages: messagesToWire(card.Messages),
	}
	for _, t := range card.Tensors {
		out.Tensors = append(out.Tensors, api.Tensor(t))
	}
	return out
}

// Card translates back; the answer doesn't hold the name.
func (s *ShowResponse) Card(name string) (*puna.ModelCard, error) {
	messages, err := messagesFromWire(s.Messages)
	if err != nil {
		return nil, err
	}
	card := &puna.ModelCard{
		Name: name, License: s.License, Modelfile: s.Modelfile, Parameters: s.Parameters, Template: s.Template, System: s.System,
		Details: s.Details.details(), Messages: messages, Info: s.ModelInfo, Projector: s.ProjectorInfo,
		Capabilities: convert[puna.Capability](s.Capabilities), Modified: s.ModifiedAt,
	}
	for _, t := range s.Tensors {
		card.Tensors = append(card.Tensors, puna.Tensor(t))
	}
	return card, nil
}

// NewProgress translates a step.
func NewProgress(p puna.Progress) *Progress {
	return &Progress{ProgressResponse: api.ProgressResponse(p)}
}

// Step translates back.
func (p *Progress) Step() puna.Progress { return puna.Progress(p.ProgressResponse) }

func detailsToWire(d puna.Details) Details {
	return Details{
		ModelDetails: api.ModelDetails{
			ParentModel: d.ParentModel, Format: d.Format, Family: d.Family, Families: d.Families,
			ParameterSize: d.ParameterSize, QuantizationLevel: d.QuantizationLevel,
		},
		ContextLength: d.ContextLength, EmbeddingLength: d.EmbeddingLength,
	}
}

func (d *Details) details() puna.Details {
	return puna.Details{
		ParentModel: d.ParentModel, Format: d.Format, Family: d.Family, Families: d.Families,
		ParameterSize: d.ParameterSize, QuantizationLevel: d.QuantizationLevel,
		ContextLength: d.ContextLength, EmbeddingLength: d.EmbeddingLength,
	}
}

// convert changes the string type of a list.
func convert[To, From ~string](in []From) []To {
	if len(in) == 0 {
		return nil
	}
	out := make([]To, len(in))
	for i, s := range in {
		out[i] = To(s)
	}
	return out
}
