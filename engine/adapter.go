package engine

import (
	"cmp"
	"os"
	"strconv"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/models/gguf"
)

// adapter is a LoRA adapter of a model: loaded once, in effect by context.
type adapter struct {
	*llama.AdapterLora
	name  string
	scale float64
	bytes int64 // of its file, all but the head of which is weights
}

// bytes is the size of the file; 0 where it can't be read, which the load reports.
func (a Adapter) bytes() int64 {
	stat, err := os.Stat(a.Path)
	if err != nil {
		return 0
	}
	return stat.Size()
}

func (m *Model) loadAdapters(model *gguf.File) error {
	for _, a := range m.opts.Adapters {
		file, err := gguf.Open(a.Path)
		if err != nil {
			return err
		}
		if err := file.ValidateAdapter(model); err != nil {
			return err
		}
		lora, err := m.llama.AdapterLoraInit(a.Path)
		if err != nil {
			return puna.Errorf(puna.Invalid, "%w", err)
		}
		name, _ := lora.MetaValStr("general.name")
		m.adapters = append(m.adapters, adapter{lora, cmp.Or(a.Name, name), cmp.Or(a.Scale, 1), a.bytes()})
	}
	return nil
}

// scales are those of the model's adapters, in their order, as text: equal for requests
// that may share a context. Asked is by name or number; nil leaves every adapter at its
// own scale.
func (m *Model) scales(asked map[string]float64) (string, error) {
	scales := make([]string, len(m.adapters))
	for i, a := range m.adapters {
		scale := a.scale
		if asked != nil {
			scale = 0
		}
		scales[i] = formatScale(scale)
	}
	for key, scale := range asked {
		i, err := m.adapterByKey(key)
		if err != nil {
			return "", err
		}
		scales[i] = formatScale(scale)
	}
	return strings.Join(scales, " "), nil
}

func formatScale(scale float64) string { return strconv.FormatFloat(scale, 'g', -1, 32) }

func (m *Model) adapterByKey(key string) (int, error) {
	names := make([]string, len(m.adapters))
	for i, a := range m.adapters {
		if a.name == key || strconv.Itoa(i) == key {
			return i, nil
		}
		names[i] = strconv.Itoa(i)
		if a.name != "" {
			names[i] += " (" + strconv.Quote(a.name) + ")"
		}
	}
	has := "it has none: name them with ADAPTER in its Modelfile"
	if len(names) > 0 {
		has = "it has " + strings.Join(names, ", ")
	}
	return 0, puna.Errorf(puna.Invalid, "option \"adapters\": %q has no adapter %q: %s", m.opts.Name, key, has)
}

// adapt puts the adapters of a shape into a new context.
func (m *Model) adapt(c *llama.Context, s shape) error {
	for i, text := range strings.Fields(s.scales) {
		scale, err := strconv.ParseFloat(text, 32)
		if err == nil && scale != 0 {
			err = c.SetAdapterLora(m.adapters[i].AdapterLora, float32(scale))
		}
		if err != nil {
			return puna.Errorf(puna.Invalid, "%w", err)
		}
	}
	return nil
}
