package loop

import (
	"runtime/debug"
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

// picked is a row to sample, and then its result.
type picked struct {
	Pick
	r      *Request
	logits []float32
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

// pick samples every row that has an output.
func (l *Loop) pick(batch *sched.Batch) []picked {
	w := &l.work
	w.picks = w.picks[:0]
	for _, c := range batch.Chunks {
		if c.Output {
			w.picks = append(w.picks, picked{r: c.Seq.Owner.(*Request), logits: l.b.Logits(c.First + c.N - 1)})
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

// run samples; a panic is this request's error.
func (p *picked) run(worker int) {
	defer func() {
		if v := recover(); v != nil {
			p.Pick = Pick{Err: puna.Errorf(puna.Internal, "sampling failed: %v\n%s", v, debug.Stack())}
		}
	}()
	p.Pick = p.r.Picker.Pick(worker, p.logits)
}
