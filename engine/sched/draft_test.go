package sched_test

import (
	"testing"

	"github.com/puna-ai/puna/engine/sched"
)

var drafting = sched.Config{Cells: 100, IDs: 4, Batch: 32, Plain: true, DraftRows: 8}

func TestDraftsGoWithTheirRows(t *testing.T) {
	run(t, drafting, `
		add a A4
		step       -> a 0:4*
		draft a 3 3
		step       -> a 4:8*3
		use        -> cells 8, running 1, waiting 0, prefixes 0
		draft a 3 1
		step       -> a 8:12*3
		step       -> rm a 10, a 10:14*3
		draft a 3
		step       -> rm a 12, a 12:16*3
		end a
		use        -> cells 13, running 0, waiting 0, prefixes 1
	`)
}

func TestDraftsGiveWay(t *testing.T) {
	run(t, drafting, `
		add a A4
		add b B4
		step       -> a 0:4*, b 0:4*
		draft a 5
		draft b 5
		step       -> a 4:10*5, b 4:6*1
		add c C5
		step       -> rm a 5, rm b 5, a 5:7*1, b 5:6*, c 0:5*
		add d D30
		step       -> rm a 6, a 6:7*, b 6:7*, c 5:6*, d 0:29
		step       -> a 7:12*4, b 7:8*, c 6:7*, d 29:30*
	`)
}

func TestDraftsEndWithTheLimit(t *testing.T) {
	run(t, drafting, `
		add a A4 limit=8
		step       -> a 0:4*
		draft a 5 5
		step       -> a 4:7*2, a full
		clear
		add b B4 limit=8 shift keep=2
		step       -> rm a 0, b 0:4*
		draft b 5 5
		step       -> b 4:7*2
		step       -> rm b 2, b 2:5*
	`)
}

func TestDraftsTakeCellsOfPrefixesOnly(t *testing.T) {
	cfg := drafting
	cfg.Cells = 50
	run(t, cfg, `
		add a A40
		step       -> a 0:32
		step       -> a 32:40*
		end a
		add b B9
		step       -> b 0:9*
		draft b 5
		step       -> rm a 35, b 9:15*5
		drop b
		clear
		add c C22
		add d D22
		step       -> rm b 10, rm b 0, rm a 0, c 0:22*, d 0:10
		step       -> c 22:23*, d 10:22*
		draft c 5
		step       -> c 23:27*3, d 22:23*
	`)
}

func TestAFailedDraftLeavesNothing(t *testing.T) {
	run(t, drafting, `
		add a A4
		step       -> a 0:4*
		draft a 5 5
		fail       -> a 4:10*5
		noslot     -> rm a 4, a 4:10*5, true
		step       -> rm a 4, a 4:7*2
		step       -> a 7:13*5
	`)
}

func TestOtherArchitecturesDraftNothing(t *testing.T) {
	cfg := drafting
	cfg.Plain = false
	run(t, cfg, `
		add a A4
		step       -> a 0:4*
		draft a 3 3
		step       -> a 4:5*
	`)
}

func TestWhoMayDraft(t *testing.T) {
	run(t, drafting, `
		add a A4
		add b B4
		add c C4
		draft a 1
		draft b 1
		drafting   -> 0 8
		step       -> a 0:4*, b 0:4*, c 0:4*
		drafting   -> a b 3 5
		park a
		drafting   -> b 2 6
		unpark a
		add d D20
		step       -> a 4:5*, b 4:5*, c 4:5*, d 0:20*
		drafting   -> a b 4 4
	`)
}

func TestRewind(t *testing.T) {
	run(t, small, `
		add a A4
		step       -> a 0:4*
		step       -> a 4:5*
		step       -> a 5:6*
		rewind a 5
		step       -> rm a 5, a 5:6*
		rewind a 6
		step       -> a 6:7*
		add b A5
		step       -> cp a>b 4, a 7:8*, b 4:5*
		rewind a 2
		rewind b 5
		step       -> rm a 2, a 2:3*, b 5:6*
		use        -> cells 7, running 2, waiting 0, prefixes 0
	`)
}
