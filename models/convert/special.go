package convert

// roles are the special tokens that files name, and GGUF's names of them (with
// llama.cpp's spelling).
var roles = map[string]string{"bos": "bos", "eos": "eos", "unk": "unknown", "sep": "seperator", "pad": "padding", "cls": "cls", "mask": "mask"}

// readSpecial finds the ids of special tokens.
func (v *vocabulary) readSpecial(f files, c, own config) error {
	var specials, generation config
	if _, err := f.json("special_tokens_map.json", maxConfig, &specials); err != nil {
		return err
	}
	if _, err := f.json("generation_config.json", maxConfig, &generation); err != nil {
		return err
	}
	for role := range roles {
		for _, from := range []config{own, specials} {
			text := from.text(role + "_token")
			if text == "" {
				text = from.sub(role + "_token").text("content")
			}
			if id, ok := v.find(text); ok {
				v.special[role] = id
				break
			}
		}
		if _, ok := v.special[role]; !ok && role != "pad" {
			if ids := v.idsIn(c, role); len(ids) > 0 {
				v.special[role] = int(ids[0])
			}
		}
	}
	if v.eos = v.idsIn(generation, "eos"); len(v.eos) < 2 {
		v.eos = nil
	}
	return nil
}

// find returns a token's id by its text; WordPiece's have marks.
func (v *vocabulary) find(text string) (id int, ok bool) {
	if text == "" {
		return 0, false
	}
	if id, ok = v.ids[text]; !ok && v.model == "bert" {
		id, ok = v.ids["\u2581"+text]
	}
	return id, ok
}

// idsIn returns the ids that a config names for a role, one or several.
func (v *vocabulary) idsIn(c config, role string) (ids []int32) {
	key := role + "_token_id"
	list, ok := c[key].([]any)
	if !ok {
		list = []any{c[key]}
	}
	for _, item := range list {
		if id, err := (config{"": item}).uint("", 0, uint64(len(v.tokens))-1); err == nil {
			ids = append(ids, int32(id))
		}
	}
	return ids
}

// readAdding finds out whether texts begin and end with special tokens: tokenizer_config.json
// says it, or the template of tokenizer.json shows it.
func (v *vocabulary) readAdding(post step, own config) {
	for _, s := range post.all() {
		if s.Type != "TemplateProcessing" || len(s.Single) == 0 {
			continue
		}
		v.add["bos"] = s.Single[0].SpecialToken.ID != ""
		v.add["eos"] = len(s.Single) > 1 && s.Single[len(s.Single)-1].SpecialToken.ID != ""
	}
	if len(v.add) == 0 && (post.Type != "" || v.model == "gpt2") {
		v.add["bos"], v.add["eos"] = false, false
	}
	for _, role := range []string{"bos", "eos"} {
		if b, ok := own["add_"+role+"_token"].(bool); ok {
			v.add[role] = b
		}
		if _, ok := v.special[role]; !ok && v.add[role] {
			delete(v.add, role)
		}
	}
	if b, ok := own["add_prefix_space"].(bool); ok && v.model == "llama" {
		v.spacePrefix = &b
	}
}

// readTemplates reads chat templates: from a file of their own, or tokenizer_config.json.
func (v *vocabulary) readTemplates(f files, own config) error {
	switch t := own["chat_template"].(type) {
	case string:
		v.templates["default"] = t
	case []any:
		for _, item := range t {
			m, _ := item.(map[string]any)
			if name, text := config(m).text("name"), config(m).text("template"); name != "" {
				v.templates[name] = text
			}
		}
	}
	var alone struct {
		Template string `json:"chat_template"`
	}
	if _, err := f.json("chat_template.json", maxConfig, &alone); err != nil {
		return err
	}
	if alone.Template != "" {
		v.templates["default"] = alone.Template
	}
	text, err := f.read("chat_template.jinja", maxConfig)
	if len(text) > 0 {
		v.templates["default"] = string(text)
	}
	return err
}
