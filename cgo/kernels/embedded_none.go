//go:build !puna_embed_kernels || !linux

package kernels

// embedded returns the modules in this program: none in this build.
func embedded() (folder, error) { return nil, nil }
