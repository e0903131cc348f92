package kernels

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"

	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/kernels/build"
)

// Commands that work in programs that import Puna and wherever its own binary isn't
// installed. BuildCommand fills the user's cache with kernels for this CPU;
// DoctorCommand lets installed kernels prove themselves.
const (
	BuildCommand  = "go run github.com/puna-ai/puna/cmd/puna kernels build"
	DoctorCommand = "go run github.com/puna-ai/puna/cmd/puna doctor"
)

// Baseline is the variant that the go command compiles in.
const Baseline = "baseline"

// Options say where to look for kernels. The zero value is what a library uses.
type Options struct {
	Dir       string       // a kernels folder to use instead of all others
	CacheDir  string       // the user's cache folder; "": os.UserCacheDir
	ProveWith string       // the puna program's path; "": use proven modules only
	Variant   string       // a CPU variant to use instead of the best; Baseline loads none
	Logger    *slog.Logger // nil: slog.Default()
}

// Report says what [Load] found and did.
type Report struct {
	LlamaCommit string // upstream commit of the llama.cpp in this program
	System      bool   // it is the system's (build tag llama_system)
	CPU         CPUInfo
	Variant     string // CPU kernels in use: "icelake", or [Baseline]
	Why         string // why these, for the user
	Path        string // of their file; "" for the baseline
	Candidates  []Candidate
	Notes       []string // folders that couldn't be used, and why
	// Faster is a better variant for this CPU that no folder has, "" if there is
	// none; FasterCommand gets it.
	Faster        string
	FasterCommand string
	Devices       []Device // what models can run on, in ggml's order
	Repacks       []string // layouts that weights can be repacked to, best first
}

// Device is a device that models can run on.
type Device struct {
	ggml.Props
	Backend  string // "CPU", "CUDA"
	Features []ggml.Feature
}

// scene is what there is to load.
type scene struct {
	o          Options
	log        *slog.Logger
	cpu        CPUInfo
	book       *book
	candidates []*Candidate
	notes      []string
}

// survey finds modules and what is known about them.
func survey(o Options) (*scene, error) {
	s := &scene{o: o, log: o.Logger, cpu: readCPU(), book: openBook(bookPath(o.CacheDir))}
	if s.log == nil {
		s.log = slog.Default()
	}
	folders, notes, err := findFolders(o)
	if err != nil {
		return nil, err
	}
	s.notes = notes
	s.candidates = candidates(folders, s.book, s.cpu)
	return s, nil
}

func (s *scene) list() []Candidate {
	list := make([]Candidate, len(s.candidates))
	for i, c := range s.candidates {
		list[i] = *c
	}
	return list
}

var loaded struct {
	sync.Once
	Report
	err error
}

// Load loads the best proven CPU kernels and every proven GPU backend, once per
// process: later calls return the first one's report, whatever their options. It
// costs milliseconds, or about a second for each module that has to prove itself
// first (see Options.ProveWith). It fails only if the caller names a folder or a
// variant that can't be used; then the baseline stays. Call it before the first
// model is loaded, and before others enumerate devices. Safe for concurrent use.
func Load(o Options) (Report, error) {
	loaded.Do(func() { loaded.Report, loaded.err = load(o) })
	return loaded.Report, loaded.err
}

func load(o Options) (Report, error) {
	s, err := survey(o)
	if err != nil {
		return (&scene{cpu: readCPU()}).report(nil), err
	}
	var used *Candidate
	if o.Variant != Baseline {
		used, err = s.loadCPU()
		s.loadOthers()
	}
	if saveErr := s.book.save(); saveErr != nil {
		s.notes = append(s.notes, saveErr.Error())
	}
	if ggml.System && used == nil && len(s.candidates) == 0 && o.Variant == "" {
		ggml.LoadAll() // what the system's ggml was installed with
	}
	r := s.report(used)
	if used == nil && o.Variant == "" {
		s.warnBaseline(r.Why)
	}
	return r, err
}

// loadCPU loads the best proven CPU variant, or the one that the options name. It
// returns nil where none is, which is an error only if one was named.
func (s *scene) loadCPU() (*Candidate, error) {
	for _, c := range s.candidates {
		if !c.isCPU() || s.o.Variant != "" && s.o.Variant != c.Variant || !s.ready(c) {
			continue
		}
		err := s.load(c)
		if err == nil {
			return c, nil
		}
		c.State, c.Reason = Bad, err.Error()
		s.log.Warn("proven kernels can't be loaded", "path", c.Path, "error", err)
	}
	if s.o.Variant == "" {
		return nil, nil
	}
	return nil, s.noVariant()
}

// loadOthers loads every proven backend that isn't the CPU's, each once.
func (s *scene) loadOthers() {
	have := map[string]bool{}
	for _, c := range s.candidates {
		if c.isCPU() || have[c.Variant] || !s.ready(c) {
			continue
		}
		if err := s.load(c); err != nil {
			c.State, c.Reason = Bad, err.Error()
			s.log.Warn("a proven backend can't be loaded", "path", c.Path, "error", err)
			continue
		}
		have[c.Variant] = true
	}
}

// ready reports whether c is proven, after letting it prove itself if it may.
func (s *scene) ready(c *Candidate) bool {
	if c.State == Unproven && s.o.ProveWith != "" {
		if err := s.prove(context.Background(), c); err != nil {
			s.log.Warn("kernels couldn't be proven and are not used", "path", c.Path, "error", err)
		}
	}
	return c.State == Proven
}

// load registers a module with ggml.
func (s *scene) load(c *Candidate) error {
	m, err := c.folder.open(c.module)
	if err != nil {
		return err
	}
	if _, err = openModule(m.path, m.base); err != nil {
		return err
	}
	reg, err := ggml.LoadBackend(m.path)
	if err != nil {
		return err
	}
	c.Used = true
	dev, ok := ggml.DeviceByType(ggml.CPU)
	if c.isCPU() && (!ok || dev.Reg() != reg) {
		return errors.New("another CPU backend is registered with a better score")
	}
	return nil
}

// noVariant explains why the variant that the caller named isn't in use.
func (s *scene) noVariant() error {
	for _, c := range s.candidates {
		if c.Variant == s.o.Variant {
			return &VariantError{c.Variant, string(c.State), c.Reason, c.Path}
		}
	}
	return &VariantError{s.o.Variant, "not installed", "", ""}
}

// warnBaseline tells once what a user can do about slow kernels.
func (s *scene) warnBaseline(why string) {
	if len(s.candidates) == 0 && (runtime.GOOS != "linux" || ggml.System || len(build.Supported()) == 0) {
		return // what is linked is as good as it gets
	}
	command := BuildCommand
	if slices.ContainsFunc(s.candidates, func(c *Candidate) bool { return c.isCPU() && c.State == Unproven }) {
		command = DoctorCommand
	}
	s.log.Warn("no kernels for this CPU are in use: models run many times slower than they could",
		"why", why, "command", command)
}
