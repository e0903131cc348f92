// Package ggml wraps what Puna needs of ggml.h, ggml-backend.h and ggml-cpu.h:
// backend registries, devices, buffer types, thread pools, tensor types and logs.
// It mirrors the C API one function at a time and holds no policy; package
// kernels decides what to load, package llama runs models.
//
// The default build compiles ggml from the pinned Go module and reads the
// declarations in include/, written by hand and checked against the module's own
// headers by a test. The build tag llama_system links the system's ggml by
// pkg-config instead.
//
// Caveats:
//
//   - A [Device], [Reg] or [BufferType] is a borrowed pointer that lives as long
//     as its backend is registered, in practice as long as the process; the zero
//     value stands for "none" and only Pointer and Valid may be called on it.
//   - Handles that own C memory ([Threadpool], [Buffer], [Backend], [Context]) must
//     be closed by their owner. Close is idempotent; any other use after Close
//     panics. [Live] counts the open ones, for tests.
//   - ggml's registry isn't locked: don't load backends while others enumerate.
//   - There can be two copies of ggml in one process, the one linked here and the
//     one that loaded modules bring (libggml-base). They share no state: see
//     [Library.SetLog] and [NewThreadpool].
package ggml
