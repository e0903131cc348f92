package ggml

/*
#include <stdlib.h> // says whether it is glibc
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
#else
static void trim(void) {}
#endif
*/
import "C"

// Trim gives the system what the C library keeps of freed memory. glibc keeps blocks of
// up to 32 MB, in as many arenas as threads have run; elsewhere Trim does nothing.
func Trim() { C.trim() }
