package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const crashDir = "PUNA_STORE_CRASH_DIR"

// TestHelperWrites is the process that TestKill kills: it makes, copies and
// deletes models without end.
func TestHelperWrites(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("run TestKill, which runs this in a child process")
	}
	s := open(t, dir)
	for i := 0; ; i++ {
		put(t, s, fmt.Sprintf("m%d", i%3), MediaModel, strings.Repeat(fmt.Sprint(i%5), 1<<16), MediaSystem, fmt.Sprint(i%2))
		require.NoError(t, s.Copy(parse(t, fmt.Sprintf("m%d", i%3)), parse(t, fmt.Sprintf("c%d", i%2))))
		require.NoError(t, s.Delete(parse(t, fmt.Sprintf("m%d", i%3))))
		if i == 0 {
			fmt.Println("started")
		}
	}
}

// TestKill kills a writing process again and again, at random moments.
func TestKill(t *testing.T) {
	s := open(t, t.TempDir())
	rng := rand.New(rand.NewPCG(3, 4))
	for range 25 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestHelperWrites$")
		cmd.Env = append(os.Environ(), crashDir+"="+s.dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = out.Read(make([]byte, 8)) // it has started
		require.NoError(t, err)
		time.Sleep(time.Duration(rng.IntN(20000)) * time.Microsecond)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		checkStore(t, s)
		put(t, s, "m0", MediaModel, "after") // the same command finishes
	}
}
