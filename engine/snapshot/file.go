package snapshot

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/puna-ai/puna/internal/atomicfile"
)

// A file is a head of 40 bytes, the tokens, the state; all numbers little-endian:
//
//	0   "PUNAKV1\n"
//	8   uint64  tokens
//	16  uint64  bytes of the state
//	24  uint32  CRC-32C of the tokens
//	28  uint32  CRC-32C of the state
//	32  uint32  0
//	36  uint32  CRC-32C of the 36 bytes before
const (
	magic     = "PUNAKV1\n"
	headBytes = 40
	temporary = ".tmp-"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

type head struct {
	tokens, state       int64
	tokensSum, stateSum uint32
}

func fileSize(tokens int, state int64) int64 { return headBytes + 4*int64(tokens) + state }

func tokenBytes(tokens []int32) []byte {
	b := make([]byte, 0, 4*len(tokens))
	for _, t := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
	}
	return b
}

func (h head) bytes() []byte {
	b := append(make([]byte, 0, headBytes), magic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.tokens))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.state))
	b = binary.LittleEndian.AppendUint32(b, h.tokensSum)
	b = binary.LittleEndian.AppendUint32(b, h.stateSum)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// readHead reads and checks all but the state.
func readHead(f *os.File) (head, []int32, error) {
	info, err := f.Stat()
	if err != nil {
		return head{}, nil, err
	}
	b := make([]byte, headBytes)
	if _, err := io.ReadFull(f, b); err != nil {
		return head{}, nil, damaged(f, "its head ends early")
	}
	h := head{
		tokens: int64(binary.LittleEndian.Uint64(b[8:])), state: int64(binary.LittleEndian.Uint64(b[16:])),
		tokensSum: binary.LittleEndian.Uint32(b[24:]), stateSum: binary.LittleEndian.Uint32(b[28:]),
	}
	rest := info.Size() - headBytes
	switch {
	case !bytes.Equal(b, h.bytes()):
		return h, nil, damaged(f, "its head is not what was written")
	case h.tokens < 1 || h.tokens > rest/4 || h.state != rest-4*h.tokens:
		return h, nil, damaged(f, "its size is wrong")
	}
	raw := make([]byte, 4*h.tokens)
	if _, err := io.ReadFull(f, raw); err != nil {
		return h, nil, damaged(f, "its tokens end early")
	}
	if checksum(raw) != h.tokensSum {
		return h, nil, damaged(f, "its tokens are not what was written")
	}
	tokens := make([]int32, h.tokens)
	for i := range tokens {
		tokens[i] = int32(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return h, tokens, nil
}

func damaged(f *os.File, what string) error {
	return fmt.Errorf("%w: %s: %s", ErrDamaged, f.Name(), what)
}

// readState reads the state of a file that must hold the tokens.
func readState(path string, tokens []int32, state []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h, have, err := readHead(f)
	if err != nil {
		return err
	}
	if !slices.Equal(have, tokens) || h.state != int64(len(state)) {
		return damaged(f, "it holds other tokens")
	}
	if _, err := io.ReadFull(f, state); err != nil {
		return damaged(f, "its state ends early")
	}
	if checksum(state) != h.stateSum {
		return damaged(f, "its state is not what was written")
	}
	return nil
}

// writeFile replaces the file in one step.
func writeFile(path string, tokens []int32, state []byte) error {
	raw := tokenBytes(tokens)
	h := head{tokens: int64(len(tokens)), state: int64(len(state)), tokensSum: checksum(raw), stateSum: checksum(state)}
	return atomicfile.Write(path, atomicfile.Options{Temp: temporary}, func(w *bufio.Writer) error {
		w.Write(h.bytes())
		w.Write(raw)
		w.Write(state)
		return nil
	})
}

func isTemporary(path string) bool { return strings.HasPrefix(filepath.Base(path), temporary) }
