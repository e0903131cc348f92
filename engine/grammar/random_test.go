package grammar

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// randomSchema makes a schema of what this package takes.
func randomSchema(rng *rand.Rand, depth int) map[string]any {
	leaf := []func() map[string]any{
		func() map[string]any { return map[string]any{"type": "string", "minLength": rng.IntN(3)} },
		func() map[string]any { return map[string]any{"type": "string", "maxLength": 1 + rng.IntN(4)} },
		func() map[string]any {
			return map[string]any{"type": "string", "pattern": []string{`^a[bc]*\d?$`, `x|yz`, `^[^"]+\\$`, `.-.`}[rng.IntN(4)]}
		},
		func() map[string]any {
			lo := rng.IntN(4000) - 2000
			return map[string]any{"type": []string{"integer", "number"}[rng.IntN(2)], "minimum": lo, "exclusiveMaximum": lo + 1 + rng.IntN(3000)}
		},
		func() map[string]any { return map[string]any{"type": "number", "minimum": rng.Float64() * 100} },
		func() map[string]any { return map[string]any{"enum": []any{"a", 1, nil, rng.IntN(9), []any{true}}} },
		func() map[string]any { return map[string]any{"type": []any{"boolean", "null", "integer"}} },
		func() map[string]any { return map[string]any{"const": fmt.Sprint(rng.IntN(4))} },
		func() map[string]any { return map[string]any{} },
	}
	if depth == 0 {
		return leaf[rng.IntN(len(leaf))]()
	}
	sub := func() map[string]any { return randomSchema(rng, rng.IntN(depth)) }
	switch rng.IntN(8) {
	case 0:
		return map[string]any{"anyOf": []any{sub(), sub()}}
	case 1:
		return map[string]any{"oneOf": []any{sub(), sub()}}
	case 2:
		return map[string]any{"allOf": []any{sub(), sub()}}
	case 3:
		return map[string]any{"$ref": "#/$defs/d" + fmt.Sprint(rng.IntN(3))}
	case 4:
		s := map[string]any{"type": "array", "items": sub(), "minItems": rng.IntN(3)}
		if rng.IntN(2) == 0 {
			s["maxItems"] = rng.IntN(5)
		}
		if rng.IntN(2) == 0 {
			s["prefixItems"] = []any{sub(), sub()}
		}
		return s
	}
	props, required := map[string]any{}, []any{}
	for _, key := range []string{"a", "ab", "b\"", "kind"} {
		if rng.IntN(2) == 0 {
			props[key] = sub()
		}
		if rng.IntN(3) == 0 {
			required = append(required, key)
		}
	}
	s := map[string]any{"type": "object", "properties": props, "required": required}
	switch rng.IntN(4) {
	case 0:
		s["additionalProperties"] = false
	case 1:
		s["additionalProperties"] = sub()
	case 2:
		s["anyOf"] = []any{map[string]any{"required": []any{"a"}}, map[string]any{"required": []any{"kind"}, "properties": map[string]any{"kind": sub()}}}
	}
	return s
}

// TestRandomSchemas draws sentences for random schemas. Many of those allow no value,
// or aren't taken; what is taken must be right.
func TestRandomSchemas(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	taken := 0
	for range 500 {
		doc := randomSchema(rng, 4)
		doc["$defs"] = map[string]any{"d0": randomSchema(rng, 2), "d1": randomSchema(rng, 2), "d2": randomSchema(rng, 1)}
		schema, err := json.Marshal(doc)
		require.NoError(t, err)
		text, err := FromFormat(schema)
		if err != nil {
			continue
		}
		taken++
		g, v := readGBNF(t, text), validator(t, string(schema))
		for range 10 {
			var out strings.Builder
			g.sample(rng, g.rules["root"], 0, &out)
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(out.String()))
			require.NoError(t, err, "%s\n%s", schema, out.String())
			require.NoError(t, v.Validate(value), "%s\n%s", schema, out.String())
		}
	}
	require.Greater(t, taken, 150)
}

func BenchmarkFromFormat(b *testing.B) {
	for b.Loop() {
		if _, err := FromFormat(json.RawMessage(shape)); err != nil {
			b.Fatal(err)
		}
	}
}
