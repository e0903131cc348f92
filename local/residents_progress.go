package local

import "sync"

// progress tells listeners how far a load is. The zero value is ready; it is safe for
// concurrent use.
type progress struct {
	mu        sync.Mutex
	fraction  float64
	listeners map[int]func(float64)
	nextID    int
}

// report calls every listener.
func (p *progress) report(fraction float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fraction = fraction
	for _, f := range p.listeners {
		f(fraction)
	}
}

// listen calls f at once with what there is to tell, and with each report until stop
// returns. A nil f is no listener.
func (p *progress) listen(f func(float64)) (stop func()) {
	if f == nil {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fraction > 0 {
		f(p.fraction)
	}
	id := p.nextID
	p.nextID++
	if p.listeners == nil {
		p.listeners = map[int]func(float64){}
	}
	p.listeners[id] = f
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.listeners, id)
	}
}
