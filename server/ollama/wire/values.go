package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/ollama/ollama/api"

	"github.com/puna-ai/puna"
)

// Image is an image file; in JSON, base64 without a "data:" prefix.
type Image []byte

// UnmarshalJSON implements [json.Unmarshaler].
func (i *Image) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil || text == nil {
		return fmt.Errorf("images must be strings of base64, not %s", abbreviate(data))
	}
	raw, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		return fmt.Errorf(`images must be strings of base64 (no "data:" prefix): %s: %w`, abbreviate(data), err)
	}
	*i = raw
	return nil
}

// KeepAlive is a time to stay loaded: in JSON a number of seconds or a Go duration
// like "5m". Everything negative means for ever.
type KeepAlive time.Duration

const forever = KeepAlive(-1)

// UnmarshalJSON implements [json.Unmarshaler].
func (k *KeepAlive) UnmarshalJSON(data []byte) error {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	switch v := value.(type) {
	case float64:
		switch ns := v * float64(time.Second); {
		case ns < 0, ns >= math.MaxInt64:
			*k = forever
		default:
			*k = KeepAlive(ns)
		}
		return nil
	case string:
		if d, err := time.ParseDuration(v); err == nil {
			*k = max(KeepAlive(d), forever)
			return nil
		}
	}
	return fmt.Errorf(`keep_alive: %s is neither a number of seconds nor a duration like "5m"`, abbreviate(data))
}

// MarshalJSON implements [json.Marshaler].
func (k KeepAlive) MarshalJSON() ([]byte, error) {
	if k < 0 {
		return []byte("-1"), nil
	}
	return strconv.AppendQuote(nil, time.Duration(k).String()), nil
}

// Bytes are the bytes of a token; in JSON a list of numbers.
type Bytes []byte

// MarshalJSON implements [json.Marshaler].
func (b Bytes) MarshalJSON() ([]byte, error) {
	out := make([]byte, 1, 4*len(b)+2)
	out[0] = '['
	for i, c := range b {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendUint(out, uint64(c), 10)
	}
	return append(out, ']'), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (b *Bytes) UnmarshalJSON(data []byte) error {
	var numbers []uint16 // a []byte would be base64
	if err := json.Unmarshal(data, &numbers); err != nil {
		return err
	}
	*b = make(Bytes, len(numbers))
	for i, n := range numbers {
		if n > math.MaxUint8 {
			return fmt.Errorf("bytes: %d is not a byte", n)
		}
		(*b)[i] = byte(n)
	}
	return nil
}

// format checks what the API takes for a format: nothing, "json", or a schema.
func format(raw json.RawMessage) (json.RawMessage, error) {
	switch text := bytes.TrimSpace(raw); {
	case len(text) == 0, string(text) == "null", string(text) == `""`:
		return nil, nil
	case string(text) == `"json"`, text[0] == '{':
		return json.RawMessage(text), nil
	default:
		return nil, puna.Errorf(puna.Invalid, `invalid format: %s; expected "json" or a JSON schema (an object)`, abbreviate(text))
	}
}

func thinkFromWire(t *api.ThinkValue) puna.Think {
	if t == nil {
		return puna.ThinkDefault
	}
	switch v := t.Value.(type) {
	case bool:
		return puna.Think(strconv.FormatBool(v))
	case string:
		return puna.Think(v)
	}
	return puna.ThinkDefault
}

func thinkToWire(t puna.Think) *api.ThinkValue {
	switch t {
	case puna.ThinkDefault:
		return nil
	case puna.ThinkOff, puna.ThinkOn:
		return &api.ThinkValue{Value: t == puna.ThinkOn}
	default:
		return &api.ThinkValue{Value: string(t)}
	}
}

// object returns raw if it is a JSON object, "{}" for nothing, else false.
func object(raw json.RawMessage) (json.RawMessage, bool) {
	switch text := bytes.TrimSpace(raw); {
	case len(text) == 0, string(text) == "null":
		return json.RawMessage("{}"), true
	case text[0] == '{':
		return json.RawMessage(text), true
	}
	return nil, false
}

// abbreviate cuts a value from a body for an error text.
func abbreviate(data []byte) string {
	const most = 40 // bytes
	if len(data) <= most {
		return string(data)
	}
	return string(bytes.ToValidUTF8(data[:most], nil)) + "..."
}
