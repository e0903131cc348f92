package gguf

import "slices"

// checkRWKV checks what llama.cpp's search for the longest token relies on: there is a
// newline, and a text that begins like a token begins with one. It would find no end.
func (f *File) checkRWKV(texts [][]byte) error {
	newline := func(t []byte) bool { return string(t) == "\n" || string(t) == `\n` || string(t) == `\x0a` }
	if !slices.ContainsFunc(texts, newline) {
		return f.failf("tokenizer.ggml.tokens", "the vocabulary has no newline token")
	}
	var begins, whole [256]bool
	for _, text := range texts {
		if token := unescape(text); len(token) > 0 {
			begins[token[0]] = true
			whole[token[0]] = whole[token[0]] || len(token) == 1
		}
	}
	for b, yes := range begins {
		if yes && !whole[b] {
			return f.failf("tokenizer.ggml.tokens", "tokens begin with the byte %#x, which is no token by itself", b)
		}
	}
	return nil
}

// unescape is llama_unescape_rwkv_token, wrong hexadecimal digits included.
func unescape(text []byte) (out []byte) {
	hex := func(c byte) byte {
		if int8(c) >= 'a' { // a char has a sign there
			return c - 'a' + 10
		}
		return c - '0'
	}
	escapes := map[byte]byte{'t': '\t', 'n': '\n', 'r': '\r'}
	for len(text) > 0 {
		c := text[0]
		text = text[1:]
		switch {
		case c != '\\':
			out = append(out, c)
		case len(text) == 0:
		case text[0] == 'x':
			if len(text) < 3 {
				return out
			}
			out = append(out, hex(text[1])<<4+hex(text[2]))
			text = text[3:]
		default:
			plain, ok := escapes[text[0]]
			if !ok {
				plain = text[0]
			}
			out = append(out, plain)
			text = text[1:]
		}
	}
	return out
}
