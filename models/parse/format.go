package parse

import (
	"regexp"
	"strings"

	"github.com/puna-ai/puna/models/template"
)

// format is one way in which models write tool calls: something that opens, a
// header that ends where JSON begins, and things that close.
type format struct {
	opens []string // where a call may begin; none: at the start of the answer
	// header matches from an opening to the JSON, whose first character is the group
	// json or list. Groups name and id are parts of the call.
	header *regexp.Regexp
	closes []string // what may follow calls, and stand between them
}

const maxHeader = 300 // bytes

func tagged(opens []string, header string, closes ...string) format {
	return format{opens, regexp.MustCompile(`^` + header), closes}
}

// The formats by what gives them away in a call that the template writes.
var knownFormats = []struct {
	mark   string
	format format
}{
	{"<tool_call>", tagged([]string{"<tool_call>"}, `<tool_call>\s*(?P<json>[{\[])`, "</tool_call>")},
	{"<|tool_call|>", tagged([]string{"<|tool_call|>"}, `<\|tool_call\|>\s*(?P<json>[{\[])`, "<|/tool_call|>")},
	{"[TOOL_CALLS]", tagged([]string{"[TOOL_CALLS]"},
		`\[TOOL_CALLS\]\s*(?:(?P<name>[\w.-]+)(?:\[CALL_ID\](?P<id>\w+))?(?:\[ARGS\])?\s*(?P<json>\{)|(?P<list>[{\[]))`)},
	{"<｜tool▁call", tagged([]string{"<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"},
		"(?:<｜tool▁calls▁begin｜>\\s*)?<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?(?P<name>[^\\s{}<>｜]+)(?:<｜tool▁sep｜>|\\s*```json\\s)\\s*(?P<json>\\{)",
		"```", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>")},
	{"<|tool_call_begin|>", tagged([]string{"<|tool_calls_section_begin|>", "<|tool_call_begin|>"},
		`(?:<\|tool_calls_section_begin\|>\s*)?<\|tool_call_begin\|>\s*(?P<id>functions\.(?P<name>[\w.-]+):\d+)\s*<\|tool_call_argument_begin\|>\s*(?P<json>\{)`,
		"<|tool_call_end|>", "<|tool_calls_section_end|>")},
	{"functools[", tagged([]string{"functools"}, `functools\s*(?P<json>\[)`)},
	{"<|python_tag|>", tagged([]string{"<|python_tag|>"}, `<\|python_tag\|>\s*(?P<json>\{)`, ";")},
}

// bare is a call without anything around it, as Llama 3 writes it.
var bare = format{header: regexp.MustCompile(`^\s*(?P<json>[{\[])`), closes: []string{";"}}

// formats finds how the model was taught to call: by the call that its template
// writes, else by what the template's text says.
func formats(t *template.Template) []format {
	form, text := t.CallForm(), t.ToolText()
	shown := form
	if shown == "" {
		shown = text
	}
	for _, k := range knownFormats {
		if strings.Contains(shown, k.mark) && k.mark != "<|python_tag|>" {
			return []format{k.format}
		}
	}
	if f, ok := customTag(form); ok {
		return []format{f}
	}
	if strings.Contains(text, "<|python_tag|>") {
		return []format{bare, knownFormats[len(knownFormats)-1].format}
	}
	return []format{bare}
}

var beforeCall = regexp.MustCompile(`(<[^<>\s]+>|\[[A-Z_]+\])\s*(?:\[\s*)?\{[^{}]*$`)

// notACall matches tags that begin messages or end them.
var notACall = regexp.MustCompile(`(?i)header|assistant|start|end|sep|turn|role|im_|message|user|model|think|inst`)

// customTag makes a format of the tag that stands right before a call's JSON, as
// Ollama's package tools does.
func customTag(form string) (format, bool) {
	before, _, _ := strings.Cut(form, template.FormName)
	m := beforeCall.FindStringSubmatch(before)
	if m == nil || notACall.MatchString(m[1]) {
		return format{}, false
	}
	closing := strings.NewReplacer("<|", "<|/", "<", "</", "[", "[/").Replace(m[1])
	return tagged([]string{m[1]}, regexp.QuoteMeta(m[1])+`\s*(?P<json>[{\[])`, closing), true
}
