package local

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func TestPausesGrow(t *testing.T) {
	now := time.Now()
	broken := puna.Errorf(puna.Unsupported, "an unknown architecture %w", errors.ErrUnsupported)
	fs := failures{}
	for times, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute} {
		fs.record("a", "stamp", broken, now)
		f := fs.recent("a", now)
		require.NotNil(t, f)
		assert.Equal(t, times+1, f.times)
		require.NotNil(t, fs.recent("a", now.Add(pause-time.Millisecond)))
		now = now.Add(pause)
		require.Nil(t, fs.recent("a", now), "the next try is allowed")
	}
	fs.record("a", "another stamp", broken, now)
	assert.Equal(t, 1, fs.recent("a", now).times, "another file starts anew")

	err := fs.recent("a", now).refusal(now)
	assert.Equal(t, puna.Unsupported, puna.KindOf(err))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assert.Equal(t, "an unknown architecture unsupported operation (loading it failed once; the next try is in 1s, or as soon as the file changes)", err.Error())

	fs.record("b", "stamp", broken, now.Add(time.Hour))
	assert.Len(t, fs, 1, "old failures are forgotten")
	for range 100 {
		fs.record("b", "stamp", broken, now.Add(time.Hour))
	}
	assert.Nil(t, fs.recent("b", now.Add(time.Hour+longestPause)))
}
