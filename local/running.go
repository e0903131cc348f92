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
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var list []puna.RunningModel
	for _, r := range rs.byKey {
		if r.model == nil {
			continue
		}
		loaded := r.model.Info()
		list = append(list, puna.RunningModel{
			Name: displayName(r.spec.model), Digest: r.spec.model.Digest, Details: r.details,
			Size: loaded.Size, SizeVRAM: loaded.SizeVRAM, ContextLength: loaded.ContextLength,
			Expires: r.expiry(time.Now()),
		})
	}
	slices.SortFunc(list, func(a, b puna.RunningModel) int {
		return cmp.Or(compareExpiry(a.Expires, b.Expires), cmp.Compare(a.Name, b.Name))
	})
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
}

// close unloads everything, canceling the requests that run, and waits for it.
func (rs *residents) close() error {
	rs.mu.Lock()
	rs.closed = true
	var models []loadedModel
	for _, r := range rs.byKey {
		r.cancel()
		rs.drop(r)
		if r.model != nil && !r.freed {
			r.freed = true
			models = append(models, r.model)
		}
	}
	rs.mu.Unlock()
	var errs []error
	for _, model := range models {
		errs = append(errs, model.Close(canceled()))
	}
	rs.wg.Wait()
	return errors.Join(errs...)
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
