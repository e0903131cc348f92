package kernels

import "github.com/puna-ai/puna/cgo/ggml"

// openModule opens a module without registering it, and connects the logs of the
// ggml that it brings.
func openModule(module, base string) (*ggml.Library, error) {
	if base != "" {
		// The module's loader finds it by its SONAME from now on.
		if _, err := ggml.OpenLibrary(base); err != nil {
			return nil, err
		}
	}
	lib, err := ggml.OpenLibrary(module)
	if err != nil {
		return nil, err
	}
	return lib, lib.SetLog()
}
