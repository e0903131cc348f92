package puna

import (
	"context"
	"errors"
	"fmt"
)

// Kind classes an error by what its receiver can do about it. Surfaces map kinds
// to their own codes; nothing else about an error decides a code.
type Kind int

const (
	Internal    Kind = iota // a fault of Puna's: report it
	Invalid                 // the request or a file is wrong: correct it
	NotFound                // no such model, blob or endpoint
	Conflict                // it exists already, or is in use
	Unsupported             // right, but not possible with this model or build
	TooLong                 // the prompt does not fit the context
	Busy                    // the queue is full: try again later
	NoMemory                // it does not fit this machine's memory
	Canceled                // the caller went away
	Unavailable             // a remote or the engine is down: try again later
	Forbidden               // the caller may not
)

var kindNames = [...]string{"internal", "invalid", "not found", "conflict", "unsupported",
	"too long", "busy", "no memory", "canceled", "unavailable", "forbidden"}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kindNames[k]
}

// Error is an error with a [Kind]. Its text is for the user: what is wrong, with
// the value, and what to do.
type Error struct {
	Kind Kind
	Err  error // never nil
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an [Error]; format and args are [fmt.Errorf]'s, %w included.
func Errorf(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// KindOf returns the kind of the outermost [Error] in err's tree. Errors without
// one are Canceled where they wrap the context package's, and else Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Canceled
	default:
		return Internal
	}
}
