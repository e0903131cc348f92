package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// frames are those of the spinner, each for as long as frameTime.
var frames = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

const frameTime = 100 * time.Millisecond

// liveLine is a line of a terminal that says what is under way. It is drawn from
// frameTime on until it is stopped, and gone then. A nil one draws nothing. It is
// safe for concurrent use.
type liveLine struct {
	out     io.Writer
	stopped func() // once
	gone    chan struct{}

	mu     sync.Mutex
	what   string
	share  float64   // of it that is done; 0: nobody knows
	first  float64   // the share that was told first
	toldAt time.Time // when
}

// startLine starts a line on a terminal, and returns nil for all else.
func startLine(out io.Writer) *liveLine {
	if !isTerminal(out) {
		return nil
	}
	return newLine(out, time.Tick(frameTime))
}

// newLine starts a line that is drawn at each tick.
func newLine(out io.Writer, ticks <-chan time.Time) *liveLine {
	stop := make(chan struct{})
	l := &liveLine{out: out, stopped: sync.OnceFunc(func() { close(stop) }), gone: make(chan struct{})}
	go l.draw(ticks, stop)
	return l
}

func (l *liveLine) draw(ticks <-chan time.Time, stop <-chan struct{}) {
	const clear = "\r\033[K"
	defer close(l.gone)
	for i := 0; ; i++ {
		select {
		case now := <-ticks:
			fmt.Fprintf(l.out, clear+"%c %s", frames[i%len(frames)], l.text(now))
		case <-stop:
			if i > 0 {
				io.WriteString(l.out, clear)
			}
			return
		}
	}
}

// text is "loading model  40%, 3s left", or as much of it as is known.
func (l *liveLine) text(now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.what
	if l.share > 0 {
		text += fmt.Sprintf(" %3.0f%%", 100*l.share)
	}
	if done := l.share - l.first; done > 0 {
		left := float64(now.Sub(l.toldAt)) * (1 - l.share) / done
		text += fmt.Sprintf(", %s left", time.Duration(left).Round(time.Second))
	}
	return text
}

// tell says what is under way and which share of it, from 0 to 1, is done.
func (l *liveLine) tell(what string, share float64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.what != what {
		l.first, l.toldAt = share, time.Now()
	}
	l.what, l.share = what, share
}

// loading tells how much of a model is loaded.
func (l *liveLine) loading(share float64) { l.tell("loading model", share) }

// stop clears the line; nothing is drawn after it. It may be called again.
func (l *liveLine) stop() {
	if l == nil {
		return
	}
	l.stopped()
	<-l.gone
}
