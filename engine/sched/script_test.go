package sched_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/engine/internal/kvsim"
	"github.com/puna-ai/puna/engine/sched"
)

// script runs lines against a scheduler and a simulated cache:
//
//	add NAME PROMPT [limit=N] [shift] [keep=N]
//	                          PROMPT: runs of tokens, "A40" is 40 tokens that only A
//	                          has, "A40+B2" goes on with two of B's
//	step [MS] -> BATCH        plan, decode in MS milliseconds (10), append a token to
//	                          each sequence with an output; "cp a>b N", "rm a N",
//	                          "save a KEY", "restore KEY>a", "demote KEY", "fetch KEY",
//	                          "release KEY" and "forget KEY" are the ops, then "a 0:40*" rows 0 to 39 of a with an output,
//	                          "a 40:44*3" three of them drafted
//	draft NAME N [M]          NAME drafts N tokens from now on, of which M are right
//	fail -> BATCH             the same, but the decode fails
//	noslot -> BATCH           the same for want of room
//	rewind NAME N             to N tokens, and one of its own appended
//	drafting -> NAMES ROWS ROOM
//	end NAME | drop NAME | park NAME | unpark NAME | clear
//	fetched | unread          a copy was read, or can't be
//	unkept -> LENGTH          of the prefix that is to be kept now
//	use -> TEXT               the budgets
type script struct {
	t     *testing.T
	s     *sched.Scheduler
	kv    *kvsim.KV
	cfg   sched.Config
	seqs  map[string]*sched.Seq
	names map[*sched.Seq]string
	ids   map[sched.ID]string
	next  sched.Token
	right map[*sched.Seq]int // drafted tokens
}

func run(t *testing.T, cfg sched.Config, text string) {
	t.Helper()
	sc := &script{t: t, s: sched.New(cfg), kv: kvsim.New(cfg.Cells), cfg: cfg, seqs: map[string]*sched.Seq{},
		names: map[*sched.Seq]string{}, ids: map[sched.ID]string{}, next: 1 << 20, right: map[*sched.Seq]int{}}
	sc.kv.Exact = !cfg.Plain
	for n, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line, want, _ := strings.Cut(strings.TrimSpace(line), "->")
		got := sc.line(strings.Fields(line))
		assert.Equal(t, strings.TrimSpace(want), got, "line %d: %s", n+1, line)
		require.NoError(t, sc.s.Check(), "line %d: %s", n+1, line)
	}
}

func (sc *script) line(f []string) string {
	switch q := sc.seqs[strings.Join(f[1:min(2, len(f))], "")]; f[0] {
	case "add":
		sc.add(f[1], f[2], f[3:])
	case "step", "fail", "noslot":
		ms := 10
		if len(f) > 1 {
			ms, _ = strconv.Atoi(f[1])
		}
		return sc.step(f[0], time.Duration(ms)*time.Millisecond)
	case "end":
		sc.s.Finish(q)
	case "drop":
		sc.s.Drop(q)
	case "park", "unpark":
		sc.s.Park(q, f[0] == "park")
	case "fetched", "unread":
		sc.s.Fetched(f[0] == "fetched")
	case "clear":
		sc.s.Clear()
	case "unkept":
		if p, ok := sc.s.Unkept(); ok {
			return strconv.Itoa(len(p.Tokens))
		}
	case "draft":
		n, _ := strconv.Atoi(f[2])
		sc.right[q], _ = strconv.Atoi(strings.Join(f[3:], ""))
		q.Draft = func(_, most int) []sched.Token { return make([]sched.Token, min(n, most)) }
	case "rewind":
		n, _ := strconv.Atoi(f[2])
		sc.s.Rewind(q, n)
		sc.next++
		sc.s.Append(q, sc.next)
	case "drafting":
		seqs, rows, room := sc.s.Drafting()
		var names string
		for _, q := range seqs {
			names += sc.names[q] + " "
		}
		return fmt.Sprintf("%s%d %d", names, rows, room)
	case "use":
		require.NoError(sc.t, sc.kv.Apply(sc.s.Ops()))
		u := sc.s.Usage()
		assert.Equal(sc.t, sc.kv.Used(), u.Cells, "cells")
		return fmt.Sprintf("cells %d, running %d, waiting %d, prefixes %d", u.Cells, u.Running, u.Waiting, u.Prefixes)
	default:
		sc.t.Fatalf("script: %q", f)
	}
	return ""
}

func (sc *script) add(name, prompt string, opts []string) {
	var tokens []sched.Token
	for _, part := range strings.Split(prompt, "+") {
		n, err := strconv.Atoi(part[1:])
		require.NoError(sc.t, err)
		for i := range n {
			tokens = append(tokens, sched.Token(int(part[0])*1000+i))
		}
	}
	limit, keep, shift := sc.cfg.Cells, 0, false
	for _, o := range opts {
		key, val, _ := strings.Cut(o, "=")
		n, _ := strconv.Atoi(val)
		switch key {
		case "limit":
			limit = n
		case "keep":
			keep = n
		case "shift":
			shift = true
		}
	}
	q := sc.s.Add(tokens, limit)
	q.Keep, q.Shift = keep, shift
	sc.seqs[name], sc.names[q] = q, name
}

func (sc *script) step(how string, took time.Duration) string {
	ops, b := sc.s.Plan()
	require.NoError(sc.t, sc.kv.Apply(ops))
	var out []string
	after := map[sched.ID]string{}
	for _, c := range b.Chunks {
		after[b.Rows[c.First].ID] = sc.names[c.Seq]
	}
	for _, op := range ops {
		switch op.Kind {
		case sched.Remove:
			out = append(out, fmt.Sprintf("rm %s %d", sc.ids[op.Dst], op.N))
		case sched.Share:
			out = append(out, fmt.Sprintf("cp %s>%s %d", sc.ids[op.Src], after[op.Dst], op.N))
		case sched.Save:
			out = append(out, fmt.Sprintf("save %s %d", sc.ids[op.Src], op.Key))
		case sched.Restore:
			sc.ids[op.Dst] = after[op.Dst]
			out = append(out, fmt.Sprintf("restore %d>%s", op.Key, sc.ids[op.Dst]))
		case sched.Demote:
			out = append(out, fmt.Sprintf("demote %d", op.Key))
		case sched.Fetch:
			out = append(out, fmt.Sprintf("fetch %d", op.Key))
		case sched.Release:
			out = append(out, fmt.Sprintf("release %d", op.Key))
		case sched.Forget:
			out = append(out, fmt.Sprintf("forget %d", op.Key))
		}
	}
	maps.Copy(sc.ids, after)
	for _, c := range b.Chunks {
		first := b.Rows[c.First].Pos
		mark := map[bool]string{true: "*"}[c.Output]
		if c.Draft > 0 {
			mark += strconv.Itoa(c.Draft)
		}
		out = append(out, fmt.Sprintf("%s %d:%d%s", sc.names[c.Seq], first, int(first)+c.N, mark))
	}
	switch how {
	case "fail", "noslot":
		if how == "fail" && !sc.cfg.Plain {
			sc.kv.Spoil()
		}
		sc.s.Fail(b)
		if how == "noslot" {
			out = append(out, fmt.Sprint(sc.s.NoSlot(b)))
		}
		return strings.Join(out, ", ")
	}
	require.NoError(sc.t, sc.kv.Decode(b.Rows))
	sc.s.Commit(b, took)
	for _, c := range b.Chunks {
		if c.Output && sc.sample(c) {
			out = append(out, sc.names[c.Seq]+" full")
		}
	}
	return strings.Join(out, ", ")
}

// sample appends a token for each row that counts. Drafted tokens are 0, others new.
func (sc *script) sample(c sched.Chunk) (full bool) {
	for n := range c.Draft + 1 {
		assert.Equal(sc.t, c.Seq.Len(), c.Seq.Computed())
		token := sched.Token(0)
		if n >= min(c.Draft, sc.right[c.Seq]) {
			sc.next++
			token = sc.next
		}
		if sc.s.Append(c.Seq, token) {
			sc.s.Finish(c.Seq)
			return true
		}
		if token != 0 {
			break
		}
	}
	return false
}

var small = sched.Config{Cells: 100, IDs: 4, Batch: 16, Plain: true, MaxGap: 100 * time.Millisecond}

func TestDecodeRowsGoFirstThenPromptsInOrder(t *testing.T) {
	run(t, small, `
		add a A4
		step      -> a 0:4*
		add b B10
		add c C40
		step      -> a 4:5*, b 0:10*, c 0:5
		step      -> a 5:6*, b 10:11*, c 5:19
		step      -> a 6:7*, b 11:12*, c 19:33
		step      -> a 7:8*, b 12:13*, c 33:40*
		step      -> a 8:9*, b 13:14*, c 40:41*
		use       -> cells 64, running 3, waiting 0, prefixes 0
	`)
}

func TestChunksKeepTheGap(t *testing.T) {
	cfg := sched.Config{Cells: 4096, IDs: 4, Batch: 512, Plain: true, MaxGap: 250 * time.Millisecond}
	run(t, cfg, `
		add a A10
		step 20    -> a 0:10*
		step 20    -> a 10:11*
		add b B2000
		step 180   -> a 11:12*, b 0:87
		step 200   -> a 12:13*, b 87:178
		step 200   -> a 13:14*, b 178:269
		end a
		step       -> b 269:781
		step       -> b 781:1293
	`)
}

func TestChunksGoOnWhenTheGapCannotBeKept(t *testing.T) {
	cfg := sched.Config{Cells: 4096, IDs: 4, Batch: 512, Plain: true, MaxGap: 250 * time.Millisecond}
	run(t, cfg, `
		add a A10
		step 900   -> a 0:10*
		step 900   -> a 10:11*
		add b B2000
		step 900   -> a 11:12*, b 0:7
	`)
}

func TestAFinishedPrefixIsShared(t *testing.T) {
	run(t, small, `
		add a A12
		step       -> a 0:12*
		step       -> a 12:13*
		end a
		use        -> cells 13, running 0, waiting 0, prefixes 1
		add b A8+B4
		step       -> cp a>b 8, b 8:12*
		use        -> cells 17, running 1, waiting 0, prefixes 1
		add c A8+C4
		step       -> cp a>c 8, b 12:13*, c 8:12*
		end b
		end c
		use        -> cells 22, running 0, waiting 0, prefixes 3
	`)
}

func TestReuseLeavesWholeGroupsOfRows(t *testing.T) {
	run(t, small, `
		add a A40
		step       -> a 0:16
		step       -> a 16:32
		step       -> a 32:40*
		end a
		add b A40+B5
		step       -> rm a 37, b 37:45*
		end b
		add c A43
		step       -> cp b>c 39, c 39:43*
		end c
		add d A40
		step       -> cp b>d 39, d 39:40*
		end d
		add e A3+E5
		step       -> e 0:8*
	`)
}

func TestALongerPrefixReplacesTheShorter(t *testing.T) {
	run(t, small, `
		add a A12
		step       -> a 0:12*
		end a
		add b A12+B3
		step       -> rm a 11, b 11:15*
		end b
		use        -> cells 15, running 0, waiting 0, prefixes 1
	`)
}

func TestRunningSequencesShareTheirPrefix(t *testing.T) {
	run(t, small, `
		add a A12
		step       -> a 0:12*
		add b A12+B4
		step       -> cp a>b 12, a 12:13*, b 12:16*
		end a
		step       -> b 16:17*
		use        -> cells 18, running 1, waiting 0, prefixes 1
		drop b
		use        -> cells 13, running 0, waiting 0, prefixes 1
	`)
}

func TestAPrefixThatArrivesTwiceIsComputedOnce(t *testing.T) {
	cfg := small
	cfg.Cells = 400
	run(t, cfg, `
		add a A40+B4
		add b A40+C4
		add c C8
		step       -> a 0:16
		step       -> a 16:32
		step       -> a 32:44*, c 0:4
		step       -> cp a>b 40, a 44:45*, c 4:8*, b 40:44*
		use        -> cells 57, running 3, waiting 0, prefixes 0
	`)
}

func TestAWaiterGoesOnWhenTheFirstIsGone(t *testing.T) {
	run(t, small, `
		add a A40
		add b A40+C4
		step       -> a 0:16
		drop a
		step       -> rm a 0, b 0:16
	`)
}

func TestLeastRecentlyUsedPrefixesGoFromTheirEnds(t *testing.T) {
	cfg := small
	cfg.Batch = 64
	run(t, cfg, `
		add a A40
		step       -> a 0:40*
		end a
		add b B40
		step       -> b 0:40*
		end b
		add c C24
		step       -> rm a 36, c 0:24*
		use        -> cells 100, running 1, waiting 0, prefixes 2
		step       -> rm a 35, c 24:25*
		end c
		add d A36
		step       -> rm b 39, d 35:36*
	`)
}

func TestIdsAreASecondBudget(t *testing.T) {
	cfg := small
	cfg.IDs = 2
	run(t, cfg, `
		add a A4
		step       -> a 0:4*
		end a
		add b B4
		step       -> b 0:4*
		end b
		use        -> cells 8, running 0, waiting 0, prefixes 2
		add c C4
		step       -> rm a 0, c 0:4*
		add d B4+D4
		step       -> c 4:5*, d 4:8*
		add e E4
		step       -> c 5:6*, d 8:9*
		end c
		step       -> rm c 0, d 9:10*, e 0:4*
	`)
}

func TestTheYoungestIsPreempted(t *testing.T) {
	cfg := sched.Config{Cells: 20, IDs: 4, Batch: 16, Plain: true}
	run(t, cfg, `
		add a A8
		add b B8
		step       -> a 0:8*, b 0:8*
		step       -> a 8:9*, b 8:9*
		step       -> a 9:10*, b 9:10*
		step       -> rm b 0, a 10:11*
		use        -> cells 11, running 1, waiting 1, prefixes 0
		end a
		step       -> rm a 0, b 0:11*
	`)
}

func TestAParkedSequenceYieldsItsCells(t *testing.T) {
	cfg := sched.Config{Cells: 100, IDs: 2, Running: 1, Batch: 64, Plain: true}
	run(t, cfg, `
		add a A50
		step       -> a 0:50*
		park a
		step       ->
		add b B60
		step       -> rm a 40, b 0:60*
		unpark a
		step       -> rm a 39, b 60:61*
		end b
		step       -> rm b 49, a 39:51*
	`)
}

func TestAFailedStepLeavesNothing(t *testing.T) {
	run(t, small, `
		add a A12
		fail       -> a 0:12*
		step       -> rm a 0, a 0:12*
		fail       -> a 12:13*
		step       -> rm a 12, a 12:13*
	`)
}

func TestNoSlotEvictsAndTriesLess(t *testing.T) {
	run(t, small, `
		add z Z20
		step       -> z 0:16
		step       -> z 16:20*
		end z
		add a A12
		noslot     -> a 0:12*, true
		noslot     -> rm a 0, rm z 0, a 0:4, true
		step       -> rm a 0, a 0:2
		step       -> a 2:12*
		noslot     -> a 12:13*, false
	`)
}

func TestAFullSequenceEndsOrShifts(t *testing.T) {
	cfg := sched.Config{Cells: 16, IDs: 2, Batch: 16, Plain: true}
	run(t, cfg, `
		add a A6 limit=8
		step       -> a 0:6*
		step       -> a 6:7*, a full
		clear
		add b B6 limit=8 shift keep=2
		step       -> rm a 0, b 0:6*
		step       -> b 6:7*
		step       -> rm b 2, b 2:5*
		step       -> b 5:6*
	`)
}

func TestOtherArchitecturesShareNothing(t *testing.T) {
	cfg := small
	cfg.Plain = false
	run(t, cfg, `
		add a A12
		step       -> a 0:12*
		end a
		use        -> cells 0, running 0, waiting 0, prefixes 0
		add b A12
		add c A12
		step       -> b 0:12*, c 0:4
		fail       -> b 12:13*, c 4:12*
		step       -> rm b 0, rm c 0, b 0:13*, c 0:3
	`)
}

// keeping has room for copies of 150 tokens.
var keeping = sched.Config{Cells: 100, IDs: 4, Batch: 200, Plain: true, Store: 300, CellBytes: 2}

func TestAnEvictedPrefixComesBackFromItsCopy(t *testing.T) {
	run(t, keeping, `
		add a A60
		step  -> a 0:60*
		end a
		add b B80
		step  -> save a 0, rm a 0, b 0:80*
		end b
		add c A50+C20
		step  -> save b 1, rm b 40, restore 0>c, rm c 50, rm b 0, c 50:70*
		end c
		add d A31+D40
		step  -> cp c>d 31, rm c 60, d 31:71*
	`)
}

func TestCopiesGoLeastRecentlyUsedFirst(t *testing.T) {
	run(t, keeping, `
		add a A70
		step  -> a 0:70*
		end a
		add b B70
		step  -> save a 0, rm a 0, b 0:70*
		end b
		add c C70
		step  -> save b 1, rm b 0, c 0:70*
		end c
		add d D70
		step  -> forget 0, save c 2, rm c 0, d 0:70*
		use   -> cells 70, running 1, waiting 0, prefixes 0
	`)
}

// far has memory for one of the prompts below, and keeps other copies elsewhere.
var far = sched.Config{Cells: 400, IDs: 4, Batch: 200, Plain: true, Store: 130, CellBytes: 2, Elsewhere: 4, Tidy: true}

// twoFar leaves the copies 0, of 64 tokens of A, and 1, of 64 of B, elsewhere.
const twoFar = `
		add a A64
		step    -> a 0:64*
		end a
		add b B64
		step    -> save a 0, rm a 0, b 0:64*
		end b
		add c C64
		step    -> demote 0, save b 1, rm b 0, c 0:64*
		end c
		add d D64
		step    -> demote 1, save c 2, rm c 0, d 0:64*`

func TestAPromptWaitsForItsCopyAndOthersGoOn(t *testing.T) {
	run(t, far, twoFar+`
		add e A64+E64
		add f F4
		step    -> fetch 0, d 64:65*, f 0:4*
		add g A64+G64
		step    -> d 65:66*, f 4:5*
		fetched
		step    -> restore 0>e, cp e>g 64, release 0, d 66:67*, f 5:6*, e 64:128*, g 64:128*
	`)
}

func TestCopiesAreReadOneAfterTheOther(t *testing.T) {
	run(t, far, twoFar+`
		add e A64+E64
		add f B64+F64
		step    -> fetch 0, d 64:65*
		step    -> d 65:66*
		fetched
		step    -> restore 0>e, release 0, fetch 1, d 66:67*, e 64:128*
		fetched
		step    -> restore 1>f, release 1, d 67:68*, e 128:129*, f 64:128*
	`)
}

func TestWhatNobodyWaitsForIsReleased(t *testing.T) {
	run(t, far, twoFar+`
		add e A64+E64
		step    -> fetch 0, d 64:65*
		drop e
		step    -> d 65:66*
		fetched
		step    -> release 0, d 66:67*
	`)
}

func TestACopyThatCannotBeReadIsComputedAnew(t *testing.T) {
	run(t, far, twoFar+`
		add e A64+E64
		step    -> fetch 0, d 64:65*
		unread
		step    -> forget 0, d 65:66*, e 0:128*
	`)
}

// Memory is for those that can run.
func TestAPromptWithoutRoomReadsNothing(t *testing.T) {
	cfg := far
	cfg.Cells = 150
	run(t, cfg, twoFar+`
		add e A64+E64
		step    -> d 64:65*
		end d
		step    -> fetch 0
	`)
}

func TestACopyReplacesThoseThatItBeginsWith(t *testing.T) {
	run(t, keeping, `
		add a A60
		step  -> a 0:60*
		end a
		add b B80
		step  -> save a 0, rm a 0, b 0:80*
		end b
		add c A60+C35
		step  -> save b 1, rm b 40, restore 0>c, rm c 59, rm b 0, c 59:95*
		end c
		add d D90
		step  -> forget 0, forget 1, save c 2, rm c 0, d 0:90*
	`)
}

func TestAPrefixIsKeptOnce(t *testing.T) {
	cfg := keeping
	cfg.Tidy, cfg.Cells, cfg.Store = true, 400, 1000
	run(t, cfg, `
		add a A60
		step   -> a 0:60*
		unkept ->
		end a
		unkept -> 60
		unkept ->
		add b A60+B70
		step   -> rm a 58, b 58:130*
		end b
		add c C64
		step   -> save b 0, rm b 0, c 0:64*
		unkept -> 130
		end c
		unkept -> 64
		add d D20
		step   -> d 0:20*
		end d
		unkept ->
	`)
}

func TestTidyMovesWhatAPromptDoesNotUse(t *testing.T) {
	cfg := keeping
	cfg.Tidy, cfg.Cells, cfg.Store = true, 400, 1000
	run(t, cfg, `
		add a A60
		step  -> a 0:60*
		end a
		add b A60+B70
		step  -> rm a 58, b 58:130*
		end b
		add c C64
		step  -> save b 0, rm b 0, c 0:64*
		end c
		add d D63
		step  -> d 0:63*
		add e A60+B20+E64
		step  -> restore 0>e, rm e 80, save c 1, rm c 0, d 63:64*, e 80:144*
	`)
}
