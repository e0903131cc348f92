package loop

import (
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/sched"
)

// workers sample rows side by side. The loop's goroutine is worker 0; the others
// wait between steps.
type workers struct {
	n      int
	starts []chan struct{} // one for each worker but the first
	wg     sync.WaitGroup
	next   atomic.Int32
	picks  []picked
}

// picked is the rows of a request to sample, and then the results.
type picked struct {
	r      *Request
	logits [][]float32 // of the sequence's last token, then of each drafted one
	draft  []sched.Row
	picks  []Pick // as many as count
}

func (w *workers) start(n int) {
	w.n = n
	for i := 1; i < n; i++ {
		c := make(chan struct{}, 1)
		w.starts = append(w.starts, c)
		go func() {
			for range c {
				w.run(i)
				w.wg.Done()
			}
		}()
	}
}

func (w *workers) stop() {
	for _, c := range w.starts {
		close(c)
	}
}

// pick samples every row that has an output and counts.
func (l *Loop) pick(batch *sched.Batch) []picked {
	w := &l.work
	w.picks = w.picks[:0]
	for _, c := range batch.Chunks {
		if !c.Output {
			continue
		}
		n := len(w.picks)
		w.picks = slices.Grow(w.picks, 1)[:n+1]
		p, end := &w.picks[n], c.First+c.N
		*p = picked{r: c.Seq.Owner.(*Request), logits: p.logits[:0], draft: batch.Rows[end-c.Draft : end], picks: p.picks[:0]}
		for row := end - c.Draft - 1; row < end; row++ {
			p.logits = append(p.logits, l.b.Logits(row))
		}
	}
	w.next.Store(0)
	helpers := min(len(w.starts), len(w.picks)-1)
	for _, c := range w.starts[:max(0, helpers)] {
		w.wg.Add(1)
		c <- struct{}{}
	}
	w.run(0)
	w.wg.Wait()
	return w.picks
}

func (w *workers) run(worker int) {
	for {
		i := int(w.next.Add(1)) - 1
		if i >= len(w.picks) {
			return
		}
		w.picks[i].run(worker)
	}
}

// run samples row by row, as long as the token is the one that the next row is for.
func (p *picked) run(worker int) {
	for i, logits := range p.logits {
		pick := p.r.pick(worker, logits)
		p.picks = append(p.picks, pick)
		if pick.Err != nil || pick.End != "" || i < len(p.draft) && pick.Token != p.draft[i].Token {
			return
		}
	}
}

// pick samples; a panic is this request's error.
func (r *Request) pick(worker int, logits []float32) (pick Pick) {
	defer func() {
		if v := recover(); v != nil {
			pick = Pick{Err: puna.Errorf(puna.Internal, "sampling failed: %v\n%s", v, debug.Stack())}
		}
	}()
	return r.Picker.Pick(worker, logits)
}
