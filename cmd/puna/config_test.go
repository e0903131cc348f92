package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/puna-ai/puna/engine"
)

func configOf(env map[string]string) *config {
	return configFromEnvironment(func(name string) string { return env[name] })
}

// The cases are those of Ollama's envconfig package.
func TestHost(t *testing.T) {
	for value, want := range map[string]string{
		"":                     "http://127.0.0.1:11434",
		"1.2.3.4":              "http://1.2.3.4:11434",
		":1234":                "http://:1234",
		"1.2.3.4:1234":         "http://1.2.3.4:1234",
		"example.com":          "http://example.com:11434",
		"http://1.2.3.4":       "http://1.2.3.4:80",
		"https://1.2.3.4":      "https://1.2.3.4:443",
		"https://1.2.3.4:4321": "https://1.2.3.4:4321",
		"::1":                  "http://[::1]:11434",
		"[::1]":                "http://[::1]:11434",
		"[::1]:1337":           "http://[::1]:1337",
		" 1.2.3.4 ":            "http://1.2.3.4:11434",
		`"1.2.3.4"`:            "http://1.2.3.4:11434",
		"example.com:1/ollama": "http://example.com:1/ollama",
	} {
		assert.Equal(t, want, configOf(map[string]string{"OLLAMA_HOST": value}).host.String(), "%q", value)
	}
	c := configOf(map[string]string{"OLLAMA_HOST": "1.2.3.4:66000"})
	assert.Equal(t, "http://1.2.3.4:11434", c.host.String())
	assert.Len(t, c.problems, 1)
	c = configOf(map[string]string{"OLLAMA_HOST": "1.2.3.4", "PUNA_HOST": "5.6.7.8"})
	assert.Equal(t, "http://5.6.7.8:11434", c.host.String(), "Puna's own variable wins")
}

func TestReachable(t *testing.T) {
	for value, want := range map[string]string{
		"0.0.0.0":   "http://127.0.0.1:11434",
		":1234":     "http://127.0.0.1:1234",
		"[::]:1234": "http://[::1]:1234",
		"1.2.3.4":   "http://1.2.3.4:11434",
	} {
		assert.Equal(t, want, configOf(map[string]string{"PUNA_HOST": value}).reachable().String(), "%q", value)
	}
}

func TestOtherVariables(t *testing.T) {
	c := configOf(nil)
	assert.Equal(t, 5*time.Minute, c.keepAlive)
	assert.Empty(t, c.problems)
	c = configOf(map[string]string{"OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_CONTEXT_LENGTH": "8192", "OLLAMA_NOHISTORY": "1", "OLLAMA_MODELS": "/m"})
	assert.Equal(t, -time.Second, c.keepAlive)
	assert.Equal(t, 8192, *c.defaults().NumCtx)
	assert.True(t, c.noHistory)
	assert.Equal(t, "/m", c.models)
	assert.Equal(t, engine.RepackOff, configOf(map[string]string{"PUNA_REPACK": "off"}).repack)
	c = configOf(map[string]string{"OLLAMA_MAX_LOADED_MODELS": "2", "OLLAMA_MAX_QUEUE": "7", "PUNA_MEMORY": "12GiB"})
	assert.Equal(t, 2, c.maxModels)
	assert.Equal(t, 7, c.maxQueue)
	assert.Equal(t, int64(12<<30), c.memory)
	c = configOf(map[string]string{"OLLAMA_MAX_QUEUE": "-7", "PUNA_MEMORY": "much"})
	assert.Len(t, c.problems, 2)
	c = configOf(map[string]string{"OLLAMA_KEEP_ALIVE": "soon", "OLLAMA_CONTEXT_LENGTH": "-5", "OLLAMA_NUM_PARALLEL": "x", "PUNA_REPACK": "maybe"})
	assert.Equal(t, 5*time.Minute, c.keepAlive)
	assert.Len(t, c.problems, 4)
}

func TestSwitches(t *testing.T) {
	for value, want := range map[string]slog.Level{
		"": slog.LevelInfo, "0": slog.LevelInfo, "F": slog.LevelInfo, "FALSE": slog.LevelInfo, "false": slog.LevelInfo,
		"1": slog.LevelDebug, "T": slog.LevelDebug, "true": slog.LevelDebug, "2": 2 * slog.LevelDebug, "-1": slog.LevelWarn,
	} {
		c := configOf(map[string]string{"OLLAMA_DEBUG": value})
		assert.Equal(t, want, c.logLevel, "%q", value)
		assert.Empty(t, c.problems, "%q", value)
	}
	c := configOf(map[string]string{"OLLAMA_DEBUG": "yes"})
	assert.Equal(t, slog.LevelInfo, c.logLevel)
	assert.Len(t, c.problems, 1)
	for value, want := range map[string]bool{"": false, "0": false, "F": false, "1": true, "yes": true} {
		assert.Equal(t, want, configOf(map[string]string{"OLLAMA_NOHISTORY": value}).noHistory, "%q", value)
	}
}
