package name

import (
	"path/filepath"
	"strings"

	"github.com/ollama/ollama/types/model"

	"github.com/puna-ai/puna"
)

// Name is a valid, complete name. Names can be compared and be keys of maps. The
// zero Name names nothing.
type Name struct {
	Host      string // registry.ollama.ai, hf.co, localhost:5000
	Namespace string // library
	Model     string
	Tag       string // latest
	Scheme    string // of the registry's address: https unless the name began with another
}

// Parse reads a name and fills in what it leaves out. What it accepts is safe to
// be used as a path ([Name.Path]). Errors are [puna.Invalid].
func Parse(s string) (Name, error) {
	n := model.ParseName(s)
	if !n.IsValid() {
		return Name{}, puna.Errorf(puna.Invalid, "invalid model name %q: it must read [host/][namespace/]model[:tag], "+
			"of letters, digits, '-', '_' and '.', each part at most 80 long", s)
	}
	return wrap(n), nil
}

func wrap(n model.Name) Name {
	return Name{Host: n.Host, Namespace: n.Namespace, Model: n.Model, Tag: n.Tag, Scheme: n.ProtocolScheme}
}

func (n Name) unwrap() model.Name {
	return model.Name{Host: n.Host, Namespace: n.Namespace, Model: n.Model, Tag: n.Tag, ProtocolScheme: n.Scheme}
}

// FromPath reads a name off a path that [Name.Path] made. ok is false for others.
func FromPath(path string) (n Name, ok bool) {
	m := model.ParseNameFromFilepath(path)
	if !m.IsValid() {
		return Name{}, false
	}
	return wrap(model.Merge(m, model.DefaultName())), true
}

// IsZero reports whether n is the zero Name.
func (n Name) IsZero() bool { return n == Name{} }

// String returns the short form: the host and namespace only where they aren't the
// defaults, the tag always. "" for the zero Name.
func (n Name) String() string {
	if n.IsZero() {
		return ""
	}
	return n.unwrap().DisplayShortest()
}

// Full returns the name with all its parts.
func (n Name) Full() string { return n.unwrap().String() }

// Path returns host/namespace/model/tag as a relative file path, which stays below
// the folder that it is joined to. It panics for the zero Name.
func (n Name) Path() string { return n.unwrap().Filepath() }

// EqualFold reports whether both name the same model: names ignore case.
func (n Name) EqualFold(o Name) bool { return n.unwrap().EqualFold(o.unwrap()) }

// Key returns a string that is equal for names that [Name.EqualFold] finds equal.
func (n Name) Key() string { return strings.ToLower(filepath.ToSlash(n.Path())) }
