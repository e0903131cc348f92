package local

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/name"
)

// running lists the loaded models, latest to expire first.
func (rs *residents) running() []puna.RunningModel {
	list := []puna.RunningModel{}
	for _, m := range rs.loaded() {
		now := m.model.Info() // may wait for a context that is being made
		m.Size, m.SizeVRAM, m.ContextLength = now.Size, now.SizeVRAM, now.ContextLength
		list = append(list, m.RunningModel)
	}
	slices.SortFunc(list, func(a, b puna.RunningModel) int {
		return cmp.Or(compareExpiry(a.Expires, b.Expires), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// loaded is a model that can be used.
type loaded struct {
	puna.RunningModel
	model loadedModel
}

func (rs *residents) loaded() (list []loaded) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, r := range rs.byKey {
		if r.model == nil {
			continue
		}
		m := r.spec.model
		list = append(list, loaded{model: r.model, RunningModel: puna.RunningModel{
			Name: displayName(m), Digest: m.Digest, Details: r.details, Expires: r.expiry(time.Now()),
		}})
	}
	return list
}

// expiry is when r will be unloaded if nothing uses it any more from now on.
func (r *resident) expiry(now time.Time) time.Time {
	switch {
	case r.keepAlive < 0:
		return time.Time{}
	case r.expires.IsZero():
		return now.Add(r.keepAlive)
	default:
		return r.expires
	}
}

// compareExpiry orders times latest first; the zero time, never, is the latest.
func compareExpiry(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return -1
	case b.IsZero():
		return 1
	default:
		return b.Compare(a)
	}
}

// unloadModel lets every resident of a model, or of what had its name, go once
// its users have.
func (rs *residents) unloadModel(digest string, n name.Name) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, r := range rs.byKey {
		m := r.spec.model
		if m.Digest != digest && (n.IsZero() || m.Name != n) {
			continue
		}
		rs.drop(r)
		if r.users == 0 {
			rs.unload(r)
		}
	}
	rs.advance()
}

// close unloads everything, canceling the requests that run, and waits for it.
func (rs *residents) close() error {
	var errs []error
	for _, r := range rs.shutDown() {
		errs = append(errs, r.model.Close(canceled()))
		rs.mu.Lock()
		rs.vacate(r)
		rs.mu.Unlock()
	}
	rs.wg.Wait()
	return errors.Join(errs...)
}

// shutDown ends waiting and loading, and returns those whose models must be closed.
func (rs *residents) shutDown() (list []*resident) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.closed = true
	for _, c := range rs.queue {
		c.err = errClosed()
		close(c.turn)
	}
	rs.queue = nil
	for _, r := range rs.tenants {
		r.cancel()
		rs.drop(r)
		if r.model != nil && !r.freed {
			r.freed = true
			list = append(list, r)
		}
	}
	return list
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
