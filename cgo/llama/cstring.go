package llama

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"strings"
	"unsafe"
)

// cstring copies s, up to its first zero byte, into C memory; free releases it.
func cstring(s string) (c *C.char, free func()) {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	c = C.CString(s)
	return c, func() { C.free(unsafe.Pointer(c)) }
}

// grow calls f with a buffer until its result, a length or below zero its failure,
// fits. It is how llama.h returns strings.
func grow(f func(buf *C.char, size C.size_t) C.int32_t) (string, bool) {
	buf := make([]C.char, 256)
	for {
		n := f(&buf[0], C.size_t(len(buf)))
		if n < 0 {
			return "", false
		}
		if int(n) < len(buf) {
			return C.GoStringN(&buf[0], C.int(n)), true
		}
		buf = make([]C.char, int(n)+1)
	}
}
