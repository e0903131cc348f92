package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/tools/guide"
)

// The built-in model was trained on answers that name commands, flags and
// variables. When this fails, change tools/guide/facts and train it again.
func TestTheBuiltInModelNamesWhatExists(t *testing.T) {
	n, err := guide.Read()
	require.NoError(t, err)
	root := newRootCommand(&config{})
	root.InitDefaultHelpCmd()
	for name, flags := range n.Commands {
		cmd, rest, err := root.Find(strings.Fields(strings.TrimPrefix(name, "help ")))
		if !assert.NoError(t, err, "puna %s", name) {
			continue
		}
		assert.Empty(t, rest, "there is no `puna %s`", name)
		for _, flag := range flags {
			found := cmd.Flags().Lookup(strings.TrimLeft(flag, "-"))
			if !strings.HasPrefix(flag, "--") {
				found = cmd.Flags().ShorthandLookup(flag[1:])
			}
			assert.NotNil(t, found, "`puna %s` has no flag %s", name, flag)
		}
	}
	for _, command := range n.Session {
		assert.Contains(t, chatHelp, command)
	}
	asked := map[string]bool{}
	configFromEnvironment(func(name string) string {
		asked[name] = true
		return ""
	})
	for _, name := range n.Environment {
		assert.True(t, asked[name], "the variable %s is not read", name)
	}
}
