package peer

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	ollamaStream = `{"model":"m","response":"","done":false}
{"model":"m","response":"a","done":false}
{"model":"m","response":"b","done":false}
{"model":"m","response":"","done":true,"done_reason":"length","context":[1,2],"prompt_eval_count":7,"eval_count":2,"eval_duration":5}
`
	llamaStream = `data: {"index":0,"content":"","tokens":[3],"stop":false}

data: {"index":0,"content":"a","tokens":[4],"stop":false,"tokens_predicted":1,"tokens_evaluated":7}

data: {"index":0,"content":"b","tokens":[5],"stop":false,"tokens_predicted":2,"tokens_evaluated":7}

data: {"index":0,"content":"","stop":true,"tokens_predicted":2,"tokens_evaluated":7,"generation_settings":{"stop":[]},"stop_type":"limit"}

`
)

// ticks is a clock that goes on by a second when it is read.
func ticks() func() time.Duration {
	var now time.Duration
	return func() time.Duration { now += time.Second; return now }
}

func TestReadAnswer(t *testing.T) {
	for name, stream := range map[string]string{"Ollama's API": ollamaStream, "llama-server": llamaStream} {
		a, err := readAnswer(strings.NewReader(stream), ticks())
		require.NoError(t, err, name)
		assert.Equal(t, Answer{Prompt: 7, Tokens: 2, First: time.Second, End: 2 * time.Second}, a, name)
	}
}

func TestReadAnswerErrors(t *testing.T) {
	for stream, want := range map[string]string{
		"":                                     "broke off",
		`{"response":"a","done":false}` + "\n": "broke off",
		`{"error":"no memory"}` + "\n":         "no memory",
		`data: {"error":{"code":500,"message":"no memory"}}`: "no memory",
		"<html>": "<html>",
	} {
		_, err := readAnswer(strings.NewReader(stream), ticks())
		assert.ErrorContains(t, err, want, stream)
	}
}

func TestCountEmbeddings(t *testing.T) {
	for body, want := range map[string]int{
		`{"model":"m","embeddings":[[1,2],[3,4]]}`:                              2,
		`{"object":"list","data":[{"embedding":[1]},{"embedding":[2]}]}` + "\n": 2,
		`{}`: 0,
	} {
		n, err := countEmbeddings(strings.NewReader(body))
		require.NoError(t, err, body)
		assert.Equal(t, want, n, body)
	}
	_, err := countEmbeddings(strings.NewReader("<html>"))
	assert.ErrorContains(t, err, "no embeddings")
}

func TestWrite(t *testing.T) {
	var b strings.Builder
	Write(&b, "tiny", []Row{{What: "tokens/s", Puna: 1234.5, Peer: 0.98765, Ratio: 1.25, Least: 1.2, Most: 1.307}})
	assert.Equal(t, `| tiny | Puna | llama-server | Puna / llama-server | least to most |
|---|---|---|---|---|
| tokens/s | 1234 | 0.988 | **1.25** | 1.20 to 1.31 |
`, b.String())
}
