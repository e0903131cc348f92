package peer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Answer is a streamed answer as its client saw it.
type Answer struct {
	Prompt int           // tokens of the prompt, cached ones too
	Tokens int           // generated
	First  time.Duration // until the first text
	End    time.Duration
}

// event is a line of an answer: of Ollama's API, or of llama-server's.
type event struct {
	Response, Content string
	Done, Stop        bool
	Error             json.RawMessage
	PromptEvalCount   int `json:"prompt_eval_count"`
	TokensEvaluated   int `json:"tokens_evaluated"`
	EvalCount         int `json:"eval_count"`
	TokensPredicted   int `json:"tokens_predicted"`
}

// maxLine is more than any event has, in bytes.
const maxLine = 16 << 20

// readAnswer reads lines of JSON, or server-sent events of it; now is the time since the
// question.
func readAnswer(r io.Reader, now func() time.Duration) (Answer, error) {
	var a Answer
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := bytes.TrimPrefix(lines.Bytes(), []byte("data: "))
		if len(line) == 0 {
			continue
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return a, fmt.Errorf("%q is no event of an answer: %w", line, err)
		}
		if e.Error != nil {
			return a, fmt.Errorf("the answer broke off: %s", e.Error)
		}
		last := e.Done || e.Stop
		if a.First == 0 && (e.Response+e.Content != "" || last) {
			a.First = now()
		}
		if last {
			a.Prompt, a.Tokens, a.End = e.PromptEvalCount+e.TokensEvaluated, e.EvalCount+e.TokensPredicted, now()
		}
	}
	if err := lines.Err(); err != nil {
		return a, err
	}
	if a.End == 0 {
		return a, errors.New("the answer broke off")
	}
	return a, nil
}

// countEmbeddings returns how many an answer of Ollama's API, or of OpenAI's, has.
func countEmbeddings(r io.Reader) (int, error) {
	var answer struct {
		Embeddings []json.RawMessage // Ollama's
		Data       []json.RawMessage // OpenAI's
	}
	if err := json.NewDecoder(r).Decode(&answer); err != nil {
		return 0, fmt.Errorf("no embeddings: %w", err)
	}
	return len(answer.Embeddings) + len(answer.Data), nil
}
