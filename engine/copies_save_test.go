package engine

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/engine/sched"
	"github.com/puna-ai/puna/engine/snapshot"
)

// Copies are a help: one that can't be made is one that can't be restored.
func TestACopyThatCannotBeMadeIsLost(t *testing.T) {
	_, b, _ := twins(t)
	assert.NoError(t, b.Apply([]sched.Op{{Kind: sched.Save, Src: -1, Key: 7, Tokens: []sched.Token{1}}}))
	assert.NoError(t, b.Apply([]sched.Op{{Kind: sched.Demote, Key: 7}}))
	var lost *loop.Lost
	assert.ErrorAs(t, b.Apply([]sched.Op{{Kind: sched.Restore, Dst: 0, Key: 7}}), &lost)
	assert.NoError(t, b.Apply([]sched.Op{{Kind: sched.Forget, Key: 7}}))
}

// onDisk gives a context a folder for its copies, of which so many bytes may wait to be
// written, and the copies 0, 1, ..., below n, of 40 tokens each.
func onDisk(t *testing.T, most int64, n int) (b *backend, log *bytes.Buffer) {
	_, b, _ = twins(t)
	dir, err := snapshot.Open(t.TempDir(), 1<<30)
	require.NoError(t, err)
	log = &bytes.Buffer{}
	b.copies, err = newCopies(b.c, place{dir, snapshot.NewScope("test")}, most, slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	for key := range uint64(n) {
		tokens := make([]sched.Token, 40)
		rows := make([]sched.Row, len(tokens))
		for i := range tokens {
			tokens[i] = 300 + sched.Token(key)
			rows[i] = sched.Row{Token: tokens[i], Pos: int32(i)}
		}
		require.NoError(t, b.Decode(rows))
		require.NoError(t, b.Apply([]sched.Op{{Kind: sched.Save, Key: key, Tokens: tokens}, {Kind: sched.Remove}}))
	}
	return b, log
}

// comesBack reads a demoted copy, and puts it into cells.
func comesBack(t *testing.T, b *backend, key uint64) {
	require.NoError(t, b.Apply([]sched.Op{{Kind: sched.Fetch, Key: key}}))
	require.NoError(t, <-b.Fetched())
	require.NoError(t, b.Apply([]sched.Op{{Kind: sched.Restore, Key: key}, {Kind: sched.Release, Key: key}}))
	assert.EqualValues(t, 39, b.c.MemorySeqPosMax(0))
	require.NoError(t, b.Apply([]sched.Op{{Kind: sched.Remove}}))
}

func TestCopiesWaitForTheDisk(t *testing.T) {
	b, log := onDisk(t, 1<<30, 8)
	for key := range uint64(8) {
		require.NoError(t, b.Apply([]sched.Op{{Kind: sched.Demote, Key: key}}))
	}
	for key := range uint64(8) {
		comesBack(t, b, key) // still to be written, or not
	}
	b.copies.others.Wait()
	for key := range uint64(8) {
		assert.Nil(t, b.copies.byKey[key].data)
		comesBack(t, b, key)
		assert.Nil(t, b.copies.byKey[key].data)
	}
	assert.Empty(t, log.String())
}

// busy has a copy that waits to be written, and goes on waiting.
func (cs *copies) busy() { cs.queue = append(cs.queue, &stateCopy{data: make([]byte, 1)}) }

func TestACopyForWhichTheQueueHasNoRoomIsLostLoudly(t *testing.T) {
	b, log := onDisk(t, 1, 2)
	b.copies.busy()
	require.NoError(t, b.Apply([]sched.Op{{Kind: sched.Demote, Key: 0}}))
	assert.Contains(t, log.String(), "the disk is too slow")
	assert.Nil(t, b.copies.byKey[0].data)
	require.NoError(t, b.Apply([]sched.Op{{Kind: sched.Fetch, Key: 0}}))
	assert.ErrorContains(t, <-b.Fetched(), "the disk is too slow")

	b.copies.queue = nil
	require.NoError(t, b.Apply([]sched.Op{{Kind: sched.Demote, Key: 1}}), "one has room, however large")
	b.copies.others.Wait()
	comesBack(t, b, 1)
}

func TestACopyThatWaitsIsForgottenAtOnce(t *testing.T) {
	b, _ := onDisk(t, 1<<30, 1)
	b.copies.busy()
	s := b.copies.byKey[0]
	require.NoError(t, b.Apply([]sched.Op{{Kind: sched.Demote, Key: 0}, {Kind: sched.Forget, Key: 0}}))
	assert.Nil(t, s.data)
	assert.Len(t, b.copies.queue, 1)
}

// What was used last is what a disk that is full keeps.
func TestWhatIsKeptIsWrittenAfterWhatLeft(t *testing.T) {
	b, _ := onDisk(t, 1<<30, 4)
	for key := range uint64(3) {
		require.NoError(t, b.Apply([]sched.Op{{Kind: sched.Demote, Key: key}}))
	}
	last := b.copies.byKey[3]
	require.NoError(t, <-b.Keep(sched.Prefix{Tokens: last.tokens, Stored: true, Key: 3}))
	for key := range uint64(3) {
		assert.True(t, b.copies.dir.Touch(b.copies.scope, b.copies.byKey[key].tokens))
	}
	assert.NotNil(t, last.data, "it stays in memory")
}
