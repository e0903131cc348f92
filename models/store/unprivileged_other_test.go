//go:build !linux

package store

import (
	"os"
	"testing"
)

func unprivileged(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere: run as another user, or on Linux")
	}
	f()
}
