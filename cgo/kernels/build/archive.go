package build

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Archive writes a kernels folder as a zstd-compressed tar: the manifest first,
// then libggml-base and the modules, those with the best score first, so that who
// wants one CPU variant need not decompress the rest. Equal folders give equal
// bytes.
func Archive(w io.Writer, dir string) error {
	m, err := ReadManifest(dir)
	if err != nil {
		return err
	}
	if err := m.Verify(dir); err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20),
		zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	files := []string{ManifestName, m.Base.Name}
	for _, mod := range slices.Backward(m.Modules) {
		files = append(files, mod.Name)
	}
	for _, name := range files {
		if err := addFile(t, dir, name); err != nil {
			return fmt.Errorf("archive %s: %w", name, err)
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func addFile(t *tar.Writer, dir, name string) error {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size(), Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(t, f)
	return err
}
