package registry

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"github.com/puna-ai/puna"
)

// signature is the client's [signer].
func (c *Client) signature(data []byte) (string, error) {
	path, err := c.keyFile()
	if err != nil {
		return "", err
	}
	key, err := loadKey(path)
	if err != nil {
		return "", err
	}
	signed, err := key.Sign(rand.Reader, data)
	if err != nil {
		return "", puna.Errorf(puna.Internal, "signing with the key %s: %w", path, err)
	}
	public := base64.StdEncoding.EncodeToString(key.PublicKey().Marshal())
	return public + ":" + base64.StdEncoding.EncodeToString(signed.Blob), nil
}

// loadKey reads the key at path, and makes one where there is none.
func loadKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, puna.Errorf(puna.Forbidden, "no key could be made for registries: %w", err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, puna.Errorf(puna.Forbidden, "the key for registries: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "the key %s can't be read, move it away to get a new one: %w", path, err)
	}
	return key, nil
}

// makeKey writes a key as Ollama does, its public part beside it, unless another
// process is faster.
func makeKey(path string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return err
	}
	known, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	err = writeNew(path, pem.EncodeToMemory(block), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	os.Remove(path + ".pub") // of a key that is gone
	return writeNew(path+".pub", bytes.TrimRight(ssh.MarshalAuthorizedKey(known), "\n"), 0o644)
}

// writeNew writes a whole file that doesn't exist yet.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".puna-key-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // other than Rename, never over a file
}
