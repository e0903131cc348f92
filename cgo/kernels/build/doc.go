// Package build compiles ggml's kernel modules, and libllama, from the sources
// of the pinned Go module into the user's cache folder.
//
// A kernel module is one ggml backend as a shared object: the CPU backend
// compiled for one set of CPU features (a variant), or a GPU backend. [Build]
// writes a flat folder,
//
//	<cache>/puna/kernels/<key>/
//	    kernels.json                   the [Manifest]
//	    libggml-base.so.<llama commit> what every module needs, found beside it ($ORIGIN)
//	    libggml-cpu-<variant>.so
//
// whose key is made of the llama.cpp commit, the architecture and a digest of
// compiler, flags and CMake files. Equal inputs find the finished folder and
// compile nothing; a variant that is missing is added to it. Files are written
// before the manifest and replaced by rename, so that a reader who trusts only
// files of the manifest never sees half a build. One build runs at a time in a
// cache folder (flock); others wait.
//
// Caveats: Linux only, since elsewhere cgo's own build is already the fast one
// or has no modules. It needs g++ (or clang++), CMake 3.18 and Ninja or make;
// what is missing is named in the error with the command that installs it. A
// variant is compiled for its CPU features, not proven on them: loading and
// proving is package cgo/kernels. Building uses no cgo.
package build
