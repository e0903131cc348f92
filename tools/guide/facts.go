// Package guide reads what the corpus of the built-in model says about Puna
// (facts/*.txt), so that tests can hold it against the program.
//
// Everything else in this folder is the Python that makes the model; see README.md.
package guide

import (
	"embed"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

//go:embed facts/*.txt
var files embed.FS

// Names is what the answers of the corpus name. Each list is sorted, without
// duplicates.
type Names struct {
	Commands    map[string][]string // "kernels build" to the flags that go with it, dashes included
	Session     []string            // "/bye": commands of an interactive chat
	Endpoints   []string            // "/api/chat"
	Environment []string            // "OLLAMA_HOST"
	MakeTargets []string            // "kernels-all"
	Options     []string            // "num_ctx"
}

var (
	quoted      = regexp.MustCompile("`([^`]+)`")
	command     = regexp.MustCompile(`\bpuna ([a-z]+)((?: (?:build|list|options)\b)?)([^|]*)`)
	flag        = regexp.MustCompile(`(?:^|\s)(--?[a-z][a-z-]*)`)
	session     = regexp.MustCompile(`^(/(?:[a-z]+|\?))(?: |$)`)
	endpoint    = regexp.MustCompile(`/api/[a-z]+`)
	environment = regexp.MustCompile(`\b(?:OLLAMA|PUNA)_[A-Z_]*[A-Z]\b`)
	makeTarget  = regexp.MustCompile("`make ([a-z-]+)")
	option      = regexp.MustCompile(`^[a-z]+(?:_[a-z]+)+$`)
)

// Read collects the names from the answers.
func Read() (*Names, error) {
	n := &Names{Commands: map[string][]string{}}
	err := fs.WalkDir(files, "facts", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "/world.txt") || strings.HasSuffix(path, "/tools.txt") {
			return err
		}
		data, err := files.ReadFile(path)
		id := ""
		for line := range strings.Lines(string(data)) {
			line = strings.TrimRight(line, "\n")
			if rest, ok := strings.CutPrefix(line, "# "); ok {
				id, _, _ = strings.Cut(rest, " | ")
			}
			if answer, ok := strings.CutPrefix(line, "= "); ok {
				n.add(id, answer)
			}
		}
		return err
	})
	for _, name := range slices.Collect(maps.Keys(n.Commands)) {
		n.Commands[name] = tidy(n.Commands[name])
	}
	for _, list := range []*[]string{&n.Session, &n.Endpoints, &n.Environment, &n.MakeTargets, &n.Options} {
		*list = tidy(*list)
	}
	return n, err
}

func tidy(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// add takes the names out of the answer of the intent id.
func (n *Names) add(id, answer string) {
	n.Endpoints = append(n.Endpoints, endpoint.FindAllString(answer, -1)...)
	n.Environment = append(n.Environment, environment.FindAllString(answer, -1)...)
	for _, m := range makeTarget.FindAllStringSubmatch(answer, -1) {
		n.MakeTargets = append(n.MakeTargets, m[1])
	}
	area, rest, _ := strings.Cut(id, ".")
	for _, m := range quoted.FindAllStringSubmatch(answer, -1) {
		switch text := m[1]; {
		case strings.Contains(text, "puna "):
			n.addCommand(text)
		case area == "cmd" && strings.HasPrefix(text, "-"):
			name, _, _ := strings.Cut(rest, ".")
			n.addFlags(name, text)
		case session.MatchString(text):
			n.Session = append(n.Session, session.FindStringSubmatch(text)[1])
		case (area == "tune" || area == "gpu") && option.MatchString(text):
			n.Options = append(n.Options, text)
		}
	}
}

func (n *Names) addCommand(text string) {
	for _, m := range command.FindAllStringSubmatch(text, -1) {
		name := m[1] + m[2]
		n.Commands[name] = append(n.Commands[name], nil...)
		n.addFlags(name, m[3])
	}
}

func (n *Names) addFlags(command, text string) {
	for _, m := range flag.FindAllStringSubmatch(text, -1) {
		n.Commands[command] = append(n.Commands[command], m[1])
	}
}
