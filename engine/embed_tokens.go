package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
)

// add takes in an input. When it is cut, its beginning is kept, as Ollama does
// (server/routes.go, EmbedHandler), and so are its last tokens, as many as tail says.
func (c *embedCall) add(i int, tokens []llama.Token, tail func() int) error {
	switch n := len(tokens); {
	case n == 0:
		return puna.Errorf(puna.Invalid, "input %d has no tokens: send some text", i)
	case n > c.limit:
		keep := tail()
		if !c.cut || c.limit <= keep {
			return c.tooLong(i, n)
		}
		tokens = slices.Delete(tokens, c.limit-keep, n-keep)
		c.lost += n - c.limit
	}
	c.tokens += len(tokens)
	c.inputs = append(c.inputs, tokens)
	return nil
}

// tooLong begins with the words that Ollama's clients look for.
func (c *embedCall) tooLong(i, n int) error {
	advice := "shorten it, raise num_ctx, or let it be truncated"
	if c.limit >= c.m.llama.NCtxTrain() {
		advice = "shorten it, or let it be truncated: the model was trained for no more"
	}
	return puna.Errorf(puna.TooLong, "the input length exceeds the context length: input %d has %d tokens, and the context takes %d: %s", i, n, c.limit, advice)
}

// addText takes in a text, with the special tokens that the vocabulary puts around it.
func (c *embedCall) addText(ctx context.Context, i int, text string) error {
	tokens, err := c.tokenize(ctx, nil, text, true, true)
	if err != nil {
		return err
	}
	return c.add(i, tokens, c.m.closingTokens)
}

func (c *embedCall) tokenize(ctx context.Context, dst []llama.Token, text string, addSpecial, parseSpecial bool) ([]llama.Token, error) {
	if ctx.Err() != nil {
		return nil, puna.Errorf(puna.Canceled, "%w", context.Cause(ctx))
	}
	dst, err := c.m.vocab.AppendTokens(dst, text, addSpecial, parseSpecial)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "%w", err)
	}
	return dst, nil
}

// closingTokens is how many special tokens the vocabulary puts behind a text.
func (m *Model) closingTokens() int {
	tokens, _ := m.vocab.Tokenize("", true, false) // it has tokenized a longer text
	if len(tokens) > 0 && (m.vocab.GetAddBOS() || m.vocab.Type() == llama.VocabWPM) {
		return len(tokens) - 1
	}
	return len(tokens)
}

// addPairs takes in the query with each document.
func (c *embedCall) addPairs(ctx context.Context, query string, documents []string) error {
	template, ok := c.m.llama.ChatTemplate("rerank")
	if !ok {
		return c.addJoined(ctx, query, documents)
	}
	tail := func() int {
		_, after, _ := strings.Cut(template, "{document}")
		tokens, _ := c.tokenize(ctx, nil, after, false, true)
		return len(tokens)
	}
	for i, doc := range documents {
		text := strings.NewReplacer("{query}", query, "{document}", doc).Replace(template)
		tokens, err := c.tokenize(ctx, nil, text, false, true)
		if err != nil {
			return err
		}
		if err := c.add(i, tokens, tail); err != nil {
			return err
		}
	}
	return nil
}

// addJoined puts query and document together with special tokens.
func (c *embedCall) addJoined(ctx context.Context, query string, documents []string) error {
	head, tail, err := c.pairParts(ctx, query)
	if err != nil {
		return err
	}
	if n := len(head) + len(tail); n >= c.limit {
		return puna.Errorf(puna.TooLong, "the query has %d tokens, and the context takes %d with a document: shorten it, or raise num_ctx", n, c.limit)
	}
	for i, doc := range documents {
		tokens, err := c.tokenize(ctx, slices.Clone(head), doc, false, false)
		if err != nil {
			return err
		}
		if err := c.add(i, append(tokens, tail...), func() int { return len(tail) }); err != nil {
			return err
		}
	}
	return nil
}

// pairParts are the tokens before a document, with the query, and behind it.
func (c *embedCall) pairParts(ctx context.Context, query string) (head, tail []llama.Token, err error) {
	v := c.m.vocab
	end := v.EOS()
	if end == llama.TokenNull {
		end = v.SEP()
	}
	if v.GetAddBOS() && v.BOS() != llama.TokenNull {
		head = append(head, v.BOS())
	}
	if head, err = c.tokenize(ctx, head, query, false, false); err != nil {
		return nil, nil, err
	}
	if v.GetAddEOS() && end != llama.TokenNull {
		head, tail = append(head, end), []llama.Token{end}
	}
	if v.GetAddSEP() && v.SEP() != llama.TokenNull {
		head = append(head, v.SEP())
	}
	return head, tail, nil
}
