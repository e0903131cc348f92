package convert

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/puna-ai/puna"
)

// Token types, as llama.h numbers them.
const (
	normalToken int32 = iota + 1
	unknownToken
	controlToken
	userToken
	unusedToken
	byteToken
)

// Limits on vocabularies. Real ones have up to some 300,000 tokens; embeddings have rows
// beyond them, rounded up to multiples of up to a few thousand.
const (
	maxTokens  = 1 << 20
	maxPadding = 1 << 16 // holes between ids, and rows beyond them
)

// vocabulary is a tokenizer as GGUF has it. Ollama's package reads tokenizers too, but
// closes up holes between ids, takes every tokenizer.json for byte-level BPE, lets a
// Llama 3 lose its first token, and knows no special tokens without tokenizer.json.
type vocabulary struct {
	model  string // tokenizer.ggml.model
	pre    string
	tokens []string
	scores []float32 // SentencePiece only
	types  []int32
	holes  int // ids that no token had when the next was placed
	merges []string
	ids    map[string]int

	special     map[string]int  // ids by role: bos, eos, ...
	add         map[string]bool // whether bos, eos begin and end texts; what isn't there isn't known
	eos         []int32         // more tokens that end an answer
	spacePrefix *bool           // whether texts get a space in front
	templates   map[string]string
}

// addedToken is a token beside the model's own.
type addedToken struct {
	ID      int    `json:"id"`
	Content string `json:"content"`
	Special bool   `json:"special"`
}

// tokenizerFile is a tokenizer.json.
type tokenizerFile struct {
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    step         `json:"normalizer"`
	PreTokenizer  step         `json:"pre_tokenizer"`
	Decoder       step         `json:"decoder"`
	PostProcessor step         `json:"post_processor"`
	Model         struct {
		Type          string          `json:"type"`
		Vocab         json.RawMessage `json:"vocab"`
		Merges        json.RawMessage `json:"merges"`
		IgnoreMerges  bool            `json:"ignore_merges"`
		ByteFallback  bool            `json:"byte_fallback"`
		SubwordPrefix *string         `json:"continuing_subword_prefix"`
		UnkToken      string          `json:"unk_token"`
	} `json:"model"`
}

// step is a part of a tokenizer, or a sequence of them.
type step struct {
	Type             string `json:"type"`
	PreTokenizers    []step `json:"pretokenizers"`
	Decoders         []step `json:"decoders"`
	Processors       []step `json:"processors"`
	Normalizers      []step `json:"normalizers"`
	Lowercase        *bool  `json:"lowercase"`
	PrependScheme    string `json:"prepend_scheme"`
	AddPrefixSpace   *bool  `json:"add_prefix_space"`
	UseRegex         *bool  `json:"use_regex"`
	IndividualDigits bool   `json:"individual_digits"`
	Pattern          struct {
		Regex string `json:"Regex"`
	} `json:"pattern"`
	Single []struct {
		SpecialToken struct {
			ID string `json:"id"`
		} `json:"SpecialToken"`
	} `json:"single"`
}

// all returns the step or the steps of the sequence.
func (s step) all() []step {
	if s.Type != "Sequence" {
		return []step{s}
	}
	return slices.Concat(s.PreTokenizers, s.Decoders, s.Processors, s.Normalizers)
}

func (s step) has(kind string) bool {
	return slices.ContainsFunc(s.all(), func(s step) bool { return s.Type == kind })
}

// readVocabulary reads the tokenizer of a model whose embedding has so many rows.
func readVocabulary(f files, c config, rows uint64) (*vocabulary, error) {
	var t tokenizerFile
	found, err := f.json("tokenizer.json", maxTokenizer, &t)
	if err != nil {
		return nil, err
	}
	v := &vocabulary{special: map[string]int{}, add: map[string]bool{}, templates: map[string]string{}}
	_, pieces := f["tokenizer.model"]
	switch {
	case found && (t.PreTokenizer.has("ByteLevel") || t.Decoder.has("ByteLevel")) && t.Model.Type == "BPE":
		err = v.readBytePairs(&t)
	case found && t.Model.Type == "WordPiece":
		err = v.readWordPiece(&t)
	case pieces:
		err = v.readSentencePiece(f)
	case found && t.Model.Type == "BPE" && t.Model.ByteFallback:
		err = v.readPieces(&t)
	case found:
		err = puna.Errorf(puna.Unsupported, "tokenizer.json is a %s tokenizer that only works with the tokenizer.model of SentencePiece: add that file to the folder", t.Model.Type)
	default:
		err = puna.Errorf(puna.Invalid, "the folder has neither tokenizer.json nor tokenizer.model: add the tokenizer")
	}
	if err != nil {
		return nil, err
	}
	var own config
	if _, err := f.json("tokenizer_config.json", maxAdded, &own); err != nil {
		return nil, err
	}
	for _, read := range []func() error{
		func() error { return v.readAdded(f, t.AddedTokens, own) },
		func() error { return v.pad(rows) },
		func() error { return v.readSpecial(f, c, own) },
		func() error { return v.readTemplates(f, own) },
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	v.readAdding(t.PostProcessor, own)
	return v, nil
}

// place puts a token at its id, with holes before it where ids are missing.
func (v *vocabulary) place(id int, text string, kind int32) error {
	if id < 0 || id >= maxTokens || v.holes+id-len(v.tokens) > maxPadding {
		return puna.Errorf(puna.Invalid, "the tokenizer gives %q the id %d, far from its other tokens: it is broken", text, id)
	}
	v.holes += max(0, id-len(v.tokens))
	v.grow(id + 1)
	v.tokens[id], v.types[id] = text, kind
	return nil
}

// grow fills up with tokens that no text gives.
func (v *vocabulary) grow(n int) {
	for i := len(v.tokens); i < n; i++ {
		v.tokens = append(v.tokens, fmt.Sprintf("[PAD%d]", i))
		v.types = append(v.types, unusedToken)
		if v.scores != nil {
			v.scores = append(v.scores, -1000)
		}
	}
}

// readVocab reads the tokens of a tokenizer.json.
func (v *vocabulary) readVocab(t *tokenizerFile) error {
	vocab, err := readIDs(t.Model.Vocab)
	if err != nil {
		return puna.Errorf(puna.Invalid, "tokenizer.json: model.vocab is no object of tokens and ids: %w", err)
	}
	texts := make([]string, 0, len(vocab))
	for text := range vocab {
		texts = append(texts, text)
	}
	slices.SortFunc(texts, func(a, b string) int { return cmp.Compare(vocab[a], vocab[b]) })
	for i, text := range texts {
		if i > 0 && vocab[texts[i-1]] == vocab[text] {
			return puna.Errorf(puna.Invalid, "tokenizer.json: %q and %q have the same id %d", texts[i-1], text, vocab[text])
		}
		if err := v.place(vocab[text], text, normalToken); err != nil {
			return err
		}
	}
	return nil
}

// readIDs decodes an object of tokens and ids item by item, so that its number is bounded.
func readIDs(raw json.RawMessage) (map[string]int, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("it begins with %v (%w)", open, err)
	}
	ids := map[string]int{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		text := key.(string) // objects have no other keys
		var id int
		if err := dec.Decode(&id); err != nil {
			return nil, fmt.Errorf("the id of %q: %w", text, err)
		}
		if ids[text] = id; len(ids) > maxTokens {
			return nil, fmt.Errorf("it has more than %d tokens", maxTokens)
		}
	}
	if len(ids) == 0 {
		return nil, errors.New("it is empty")
	}
	return ids, nil
}

func (v *vocabulary) readBytePairs(t *tokenizerFile) (err error) {
	v.model = "gpt2"
	if v.pre, err = preTokenizer(t); err != nil {
		return err
	}
	if v.merges, err = readMerges(t.Model.Merges); err != nil {
		return err
	}
	return v.readVocab(t)
}

// readMerges reads merges of both forms: "a b" and ["a", "b"].
func readMerges(raw json.RawMessage) ([]string, error) {
	var merges []string
	if len(raw) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &merges); err == nil {
		return merges, nil
	}
	var pairs [][2]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return nil, puna.Errorf(puna.Invalid, "tokenizer.json: model.merges are neither texts nor pairs of texts: %w", err)
	}
	for _, p := range pairs {
		for i := range p { // the space divides them
			p[i] = strings.ReplaceAll(p[i], " ", "Ġ")
		}
		merges = append(merges, p[0]+" "+p[1])
	}
	return merges, nil
}

// readWordPiece reads BERT's tokenizer. Words get the mark that llama.cpp knows them by,
// and what goes on within a word loses its own.
func (v *vocabulary) readWordPiece(t *tokenizerFile) error {
	v.model, v.pre = "bert", "default"
	if l := t.Normalizer.Lowercase; l == nil && t.Normalizer.Type != "BertNormalizer" || l != nil && !*l {
		return puna.Errorf(puna.Unsupported, "tokenizer.json tells capitals apart (normalizer.lowercase is not true), which llama.cpp can't with WordPiece: use an uncased model")
	}
	if p := t.Model.SubwordPrefix; p != nil && *p != "##" {
		return puna.Errorf(puna.Unsupported, "tokenizer.json marks parts of words by %q, but llama.cpp only knows \"##\"", *p)
	}
	if err := v.readVocab(t); err != nil {
		return err
	}
	for i, text := range v.tokens {
		rest, inner := strings.CutPrefix(text, "##")
		switch {
		case strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]"):
		case inner:
			v.tokens[i] = rest
		default:
			v.tokens[i] = "\u2581" + text
		}
	}
	return nil
}

// readAdded adds the tokens beside the model's own: those of tokenizer.json, of
// tokenizer_config.json, and of added_tokens.json, which doesn't say what is special.
func (v *vocabulary) readAdded(f files, added []addedToken, own config) error {
	for id, value := range own.sub("added_tokens_decoder") {
		var t addedToken
		var err error
		if t.ID, err = strconv.Atoi(id); err != nil {
			return puna.Errorf(puna.Invalid, "tokenizer_config.json: added_tokens_decoder has the id %q, which is no number", id)
		}
		item, _ := value.(map[string]any)
		t.Content, t.Special = config(item).text("content"), config(item).bool("special")
		added = append(added, t)
	}
	var old map[string]int
	if _, err := f.json("added_tokens.json", maxAdded, &old); err != nil {
		return err
	}
	for text, id := range old {
		added = append(added, addedToken{ID: id, Content: text})
	}
	// By id, and those last that say most; files tell of the same tokens.
	rank := map[bool]int{true: 1}
	slices.SortFunc(added, func(a, b addedToken) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), rank[a.Special]-rank[b.Special], strings.Compare(a.Content, b.Content))
	})
	for _, t := range added {
		if err := v.addToken(t); err != nil {
			return err
		}
	}
	v.ids = make(map[string]int, len(v.tokens))
	for id, text := range v.tokens {
		v.ids[text] = id
	}
	return nil
}

func (v *vocabulary) addToken(t addedToken) error {
	kind := userToken
	if t.Special {
		kind = controlToken
	}
	if v.model == "llama" {
		if t.ID >= 0 && t.ID < len(v.tokens) && (v.types[t.ID] == byteToken || v.types[t.ID] == unknownToken) {
			return nil // tokenizer.model says more of them
		}
		if kind == userToken {
			t.Content = spaces(t.Content)
		}
	}
	return v.place(t.ID, t.Content, kind)
}

// pad makes the vocabulary as long as the embedding.
func (v *vocabulary) pad(rows uint64) error {
	if n := uint64(len(v.tokens)); n > rows || rows-n > maxPadding {
		return puna.Errorf(puna.Invalid, "the tokenizer has %d tokens, but the model's embedding has %d rows: the tokenizer belongs to another model", n, rows)
	}
	v.grow(int(rows))
	return nil
}

// metadata returns what GGUF says of the vocabulary.
func (v *vocabulary) metadata() map[string]any {
	kv := map[string]any{
		"tokenizer.ggml.model": v.model, "tokenizer.ggml.pre": v.pre,
		"tokenizer.ggml.tokens": v.tokens, "tokenizer.ggml.token_type": v.types,
	}
	if v.scores != nil {
		kv["tokenizer.ggml.scores"] = v.scores
	}
	if v.model == "gpt2" {
		kv["tokenizer.ggml.merges"] = v.merges
	}
	for role, id := range v.special {
		kv["tokenizer.ggml."+roles[role]+"_token_id"] = uint32(id)
	}
	if v.model == "bert" { // llama.cpp begins texts with this one
		kv["tokenizer.ggml.bos_token_id"] = kv["tokenizer.ggml.cls_token_id"]
	} else {
		for role, add := range v.add {
			kv["tokenizer.ggml.add_"+role+"_token"] = add
		}
	}
	if v.eos != nil {
		kv["tokenizer.ggml.eos_token_ids"] = v.eos
	}
	if v.spacePrefix != nil {
		kv["tokenizer.ggml.add_space_prefix"] = *v.spacePrefix
	}
	for name, text := range v.templates {
		if key := "tokenizer.chat_template." + name; name == "default" {
			kv["tokenizer.chat_template"] = text
		} else if len(key) <= 100 {
			kv[key] = text
		}
	}
	for key, value := range kv {
		if value == nil {
			delete(kv, key)
		}
	}
	return kv
}
