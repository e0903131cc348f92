package main

import (
	"cmp"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
)

const defaultPort = "11434"

// config is what the environment says. Puna's own variables win over Ollama's. It has
// more than 15 fields because each is a variable.
type config struct {
	host          *url.URL // where to serve, and where to look for a server
	listenFD      int      // of an open socket to serve at instead; 0: none
	models        string   // the store's folder
	kernels       string   // folder of kernel modules; "" to search
	keepAlive     time.Duration
	contextLength int
	numParallel   int
	maxModels     int
	maxQueue      int
	memory        int64 // bytes
	cacheRAM      size
	cacheDisk     size
	repack        engine.Repack
	kvType        string
	origins       []string
	logLevel      slog.Level
	noHistory     bool
	noPrune       bool
	problems      []string // values that could not be read, for the log
}

// configFromEnvironment reads the variables that spec and README list. A value
// that can't be read is replaced by its default and kept in problems.
func configFromEnvironment(getenv func(string) string) *config {
	get := func(name string) string {
		return strings.Trim(strings.TrimSpace(cmp.Or(getenv("PUNA_"+name), getenv("OLLAMA_"+name))), `"'`)
	}
	c := &config{
		models:    cmp.Or(get("MODELS"), defaultModels()),
		kernels:   getenv("PUNA_KERNELS"),
		keepAlive: 5 * time.Minute,
	}
	c.host = c.parseHost(get("HOST"))
	c.listenFD = c.number("LISTEN_FD", getenv("PUNA_LISTEN_FD"))
	if s := get("KEEP_ALIVE"); s != "" {
		if d, ok := parseKeepAlive(s); ok {
			c.keepAlive = d
		} else {
			c.problem("KEEP_ALIVE", s)
		}
	}
	c.contextLength = c.number("CONTEXT_LENGTH", get("CONTEXT_LENGTH"))
	c.numParallel = c.number("NUM_PARALLEL", get("NUM_PARALLEL"))
	c.maxModels = c.number("MAX_LOADED_MODELS", get("MAX_LOADED_MODELS"))
	c.maxQueue = c.number("MAX_QUEUE", get("MAX_QUEUE"))
	if s := getenv("PUNA_MEMORY"); s != "" {
		n, ok := parseSize(s)
		if !ok {
			c.problem("MEMORY", s)
		}
		c.memory = n
	}
	c.kvType = get("KV_CACHE_TYPE")
	c.repack = c.parseRepack(getenv("PUNA_REPACK"))
	if s := get("ORIGINS"); s != "" {
		c.origins = strings.Split(s, ",")
	}
	c.noHistory = boolean(get("NOHISTORY"))
	c.noPrune = boolean(get("NOPRUNE"))
	c.logLevel = c.parseDebug(get("DEBUG"))
	return c
}

func (c *config) problem(name, value string) {
	c.problems = append(c.problems, name+"="+strconv.Quote(value)+" can't be read and is ignored")
}

func (c *config) number(name, s string) int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		c.problem(name, s)
		return 0
	}
	return n
}

// boolean reads a switch by Ollama's rule: what is no boolean switches it on.
func boolean(s string) bool {
	b, err := strconv.ParseBool(s)
	return s != "" && (b || err != nil)
}

// parseDebug reads DEBUG by Ollama's rule: a boolean, or a number of levels below
// (a negative one: above) what is logged without it.
func (c *config) parseDebug(s string) slog.Level {
	if on, err := strconv.ParseBool(s); err == nil && on {
		return slog.LevelDebug
	} else if err == nil || s == "" {
		return slog.LevelInfo
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		c.problem("DEBUG", s)
	}
	return slog.LevelInfo - slog.Level(4*n)
}

func (c *config) parseRepack(s string) engine.Repack {
	switch s {
	case "", "auto":
		return engine.RepackAuto
	case "on", "1":
		return engine.RepackOn
	case "off", "0":
		return engine.RepackOff
	}
	c.problem("REPACK", s)
	return engine.RepackAuto
}

// defaultModels is Ollama's folder, so that its models are Puna's from the start.
func defaultModels() string {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "."
	}
	return filepath.Join(home, ".ollama", "models")
}

// parseHost reads HOST by Ollama's rules: scheme, host, port and path are all
// optional; http:// alone means port 80, https:// port 443.
func (c *config) parseHost(s string) *url.URL {
	port := defaultPort
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok:
		scheme, rest = "http", s
	case scheme == "http":
		port = "80"
	case scheme == "https":
		port = "443"
	}
	hostport, path, _ := strings.Cut(rest, "/")
	host, p, err := net.SplitHostPort(hostport)
	if err != nil {
		host, p = cmp.Or(strings.Trim(hostport, "[]"), "127.0.0.1"), port
	}
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || (n == 0 && p != "0") {
		c.problem("HOST", s)
		p = port
	}
	u := &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, p)}
	if path != "" {
		u.Path = "/" + path
	}
	return u
}

// reachable is the host for a client: an address that stands for all interfaces
// is one to listen on, not one to call.
func (c *config) reachable() *url.URL {
	u := *c.host
	host, port, _ := net.SplitHostPort(u.Host)
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		loopback := "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			loopback = "::1"
		}
		u.Host = net.JoinHostPort(loopback, port)
	}
	return &u
}

// parseKeepAlive reads seconds or a duration; negative means for ever.
func parseKeepAlive(s string) (time.Duration, bool) {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return time.Duration(n) * time.Second, true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// defaults are the options of every model that says nothing else.
func (c *config) defaults() puna.Options {
	var o puna.Options
	if c.contextLength > 0 {
		o.NumCtx = &c.contextLength
	}
	return o
}
