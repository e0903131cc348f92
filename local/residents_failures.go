package local

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/puna-ai/puna"
)

// The pause after a load that failed, which doubles with each failure.
const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// failure is a load that failed. Until the pause is over, whoever wants the model gets
// the same error: its file is not read again for each of many requests.
type failure struct {
	err   error
	times int
	stamp string // of the files when the load began
	until time.Time
}

// failures are the last failures of loads, by their keys.
type failures map[string]*failure

// record notes that a load failed. Failures of other files, under the same key, don't
// count.
func (fs failures) record(key, stamp string, err error, now time.Time) {
	for k, f := range fs {
		if now.Sub(f.until) > 2*longestPause {
			delete(fs, k)
		}
	}
	f := &failure{err: err, times: 1, stamp: stamp}
	if last := fs[key]; last != nil && last.stamp == stamp {
		f.times += last.times
	}
	f.until = now.Add(f.pause())
	fs[key] = f
}

func (f *failure) pause() time.Duration {
	return min(longestPause, firstPause<<min(f.times-1, 10))
}

// recent is the failure of a key whose pause isn't over; nil if there is none.
func (fs failures) recent(key string, now time.Time) *failure {
	if f := fs[key]; f != nil && now.Before(f.until) {
		return f
	}
	return nil
}

// refusal says what failed and when the next try is.
func (f *failure) refusal(now time.Time) error {
	wait := max(time.Second, f.until.Sub(now).Round(time.Second))
	times := "once"
	if f.times > 1 {
		times = fmt.Sprintf("%d times", f.times)
	}
	return puna.Errorf(puna.KindOf(f.err), "%w (loading it failed %s; the next try is in %s, or as soon as the file changes)", f.err, times, wait)
}

// stamp changes with the files of s.
func (s *spec) stamp() string {
	var b strings.Builder
	paths := []string{s.load.Path}
	for _, a := range s.load.Adapters {
		paths = append(paths, a.Path)
	}
	if draft := s.load.Draft.Path; draft != "" {
		paths = append(paths, draft)
	}
	for _, path := range paths {
		stat, err := os.Stat(path)
		if err != nil {
			fmt.Fprintln(&b, path, err)
			continue
		}
		fmt.Fprintln(&b, path, stat.Size(), stat.ModTime().UnixNano())
	}
	return b.String()
}
