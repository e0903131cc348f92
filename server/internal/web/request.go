package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/puna-ai/puna"
)

// keepBuffer is the largest buffer, in bytes, that goes back to a pool: one large
// request must not pin its memory.
const keepBuffer = 1 << 20

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// ReadJSON decodes the body of r, one JSON value and nothing behind it, into v.
// Fields that v doesn't have are ignored, as Ollama does. Errors are
// [puna.Invalid] and say where the body is wrong.
func ReadJSON(r *http.Request, v any) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= keepBuffer {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	if _, err := buf.ReadFrom(r.Body); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return puna.Errorf(puna.Invalid, "the request body is larger than %d bytes: %w", tooLarge.Limit, err)
		}
		return puna.Errorf(puna.Canceled, "read the request body: %w", err)
	}
	if len(bytes.TrimSpace(buf.Bytes())) == 0 {
		return puna.Errorf(puna.Invalid, "missing request body")
	}
	if err := json.Unmarshal(buf.Bytes(), v); err != nil {
		return puna.Errorf(puna.Invalid, "%s", explain(err))
	}
	return nil
}

// explain words an error of [encoding/json] for someone who doesn't know our types.
func explain(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("the request body is not JSON: %v at byte %d", syntax, syntax.Offset)
	case errors.As(err, &typ) && typ.Field == "":
		return "the request body must be a JSON object, not " + article(typ.Value)
	case errors.As(err, &typ):
		return typ.Field + " must be " + article(jsonType(typ.Type)) + ", not " + article(typ.Value)
	default:
		return err.Error()
	}
}

// jsonType names a Go type as JSON does.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return jsonType(t.Elem())
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.Float32, reflect.Float64:
		return "number"
	default:
		return "whole number"
	}
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune((noun + " ")[0])) {
		return "an " + noun
	}
	return "a " + noun
}
