package sched_test

import (
	"testing"

	"github.com/puna-ai/puna/engine/sched"
)

// exact has states of 100 bytes, and one byte more for each token's cell.
var exact = sched.Config{Cells: 400, IDs: 4, Batch: 200, Store: 1000, CellBytes: 1, SeqBytes: 100}

func TestAPromptIsCopiedNearItsEnd(t *testing.T) {
	run(t, exact, `
		add a A60
		step  -> a 0:55
		step  -> save a 0, a 55:60*
		end a
		add b A60
		step  -> rm a 0, restore 0>b, b 55:60*
		end b
		add c A60+C40
		step  -> rm b 0, restore 0>c, c 55:95
		step  -> save c 1, c 95:100*
		step  -> c 100:101*
		end c
		add d A60+D3
		step  -> rm c 0, restore 0>d, d 55:63*
	`)
}

func TestACopyIsMadeWherePromptsPart(t *testing.T) {
	run(t, exact, `
		add a A50+B60
		step  -> a 0:105
		step  -> save a 0, a 105:110*
		end a
		add b A50+C60
		step  -> rm a 0, b 0:50
		step  -> save b 1, b 50:105
		step  -> save b 2, b 105:110*
		end b
		add c A50+D60
		step  -> rm b 0, restore 1>c, c 50:105
	`)
}

func TestOthersWaitForTheCopyOfTheirPrefix(t *testing.T) {
	run(t, exact, `
		add a A50+B60
		add b A50+C60
		add c A50+B60
		step  -> a 0:50
		step  -> save a 0, restore 0>b, a 50:105, b 50:105
		step  -> save a 1, save b 2, restore 1>c, a 105:110*, b 105:110*, c 105:110*
		step  -> a 110:111*, b 110:111*, c 110:111*
	`)
}

func TestAPreemptedSequenceGoesOnFromItsCopy(t *testing.T) {
	cfg := exact
	cfg.Cells = 66
	run(t, cfg, `
		add a A32
		add b B32
		step  -> a 0:32*, b 0:32*
		step  -> a 32:33*, b 32:33*
		step  -> save b 0, rm b 0, a 33:34*
		end a
		step  -> save a 1, rm a 0, restore 0>b, b 33:34*
	`)
}

func TestAFailedStepRestartsAllFromTheirCopies(t *testing.T) {
	run(t, exact, `
		add a A43
		step  -> a 0:38
		step  -> save a 0, a 38:43*
		park a
		add b B43
		fail  -> b 0:38
		unpark a
		step  -> rm a 0, rm b 0, restore 0>a, a 38:44*, b 0:38
	`)
}

func TestChunksGoInOrderOfTheirIds(t *testing.T) {
	run(t, exact, `
		add a A4
		add b B4
		add c C4
		step  -> a 0:4*, b 0:4*, c 0:4*
		drop a
		step  -> rm a 0, b 4:5*, c 4:5*
		add d D8
		step  -> d 0:8*, b 5:6*, c 5:6*
		end b
		end c
		add e E10
		step  -> rm b 0, rm c 0, d 8:9*, e 0:10*
	`)
}

func TestNobodyWaitsForACopyThatHasNoRoom(t *testing.T) {
	cfg := exact
	cfg.Store = 120
	run(t, cfg, `
		add a A60
		add b A60
		step  -> a 0:60*, b 0:60*
		end a
		use   -> cells 60, running 1, waiting 0, prefixes 0
	`)
}
