package ggml

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Library is an open shared library: a backend module, or the libggml-base that
// modules need. It wraps dlopen. Open libraries stay open: code of a backend can
// run, and its memory be in use, as long as the process lives.
type Library struct {
	path string
	h    unsafe.Pointer
}

// OpenLibrary wraps dlopen with RTLD_NOW and RTLD_LOCAL. It runs the library's
// initializers. Opening one again is cheap and shares the first one's state.
func OpenLibrary(path string) (*Library, error) {
	s := C.CString(path)
	defer C.free(unsafe.Pointer(s))
	var cause *C.char
	h := C.puna_ggml_open(s, &cause)
	if h == nil {
		defer C.free(unsafe.Pointer(cause))
		return nil, fmt.Errorf("ggml: cannot open %s: %s", path, C.GoString(cause))
	}
	return &Library{path: path, h: h}, nil
}

// Lookup wraps dlsym: a symbol of the library or of those it needs, or nil.
func (l *Library) Lookup(name string) unsafe.Pointer {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return C.puna_ggml_symbol(l.h, s)
}

// Score calls ggml_backend_score: 0 if this machine can't run the module, more for
// a better one. Modules without the function score 1, as GPU backends do.
func (l *Library) Score() int {
	fn := l.Lookup("ggml_backend_score")
	if fn == nil {
		return 1
	}
	return int(C.puna_ggml_score(fn))
}

// logSources numbers the copies of ggml that [Library.SetLog] met.
var logSources atomic.Uintptr

// SetLog wraps ggml_log_set of the copy of ggml that the library uses, which is
// usually another than the one linked here, and sends its logs to [SetLogger]'s
// logger; ggml_set_abort_callback likewise.
func (l *Library) SetLog() error {
	fn := l.Lookup("ggml_log_set")
	if fn == nil {
		return errors.New("ggml: " + l.path + " has no ggml_log_set: it is no backend module")
	}
	C.puna_ggml_set_log(fn, LogCallback(), C.uintptr_t(logSources.Add(1)))
	if fn := l.Lookup("ggml_set_abort_callback"); fn != nil {
		C.puna_ggml_set_abort(fn, abortCallback())
	}
	return nil
}
