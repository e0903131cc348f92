package convert

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func parse(data []byte) ([]source, error) {
	return readSafetensors(bytes.NewReader(data), int64(len(data)), "x.safetensors")
}

// checkSources checks what readers of tensors rely on.
func checkSources(t testing.TB, sources []source, size int) {
	end, seen := int64(0), map[string]bool{}
	for i, s := range sources {
		n, ok := product(append([]uint64{dtypes[s.dtype]}, s.shape...))
		require.True(t, ok)
		require.EqualValues(t, n, s.size)
		require.False(t, seen[s.name])
		seen[s.name] = true
		if i > 0 {
			require.Equal(t, end, s.offset)
		}
		end = s.offset + s.size
	}
	if len(sources) > 0 {
		require.EqualValues(t, size, end)
	}
}

func FuzzReadSafetensors(f *testing.F) {
	for _, data := range brokenHeaders {
		f.Add([]byte(data.file))
	}
	f.Add(safetensors(f, map[string]weights{"a": {[]uint64{2, 3}, make([]float32, 6)}, "b": {nil, []float32{1}}}, "BF16"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if sources, err := parse(data); err == nil {
			checkSources(t, sources, len(data))
		} else {
			require.Contains(t, []puna.Kind{puna.Invalid, puna.Internal}, puna.KindOf(err))
		}
	})
}

// TestSafetensorsThereAndBack: what was written is read, whatever the order in the header.
func TestSafetensorsThereAndBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var entries []string
		var want []source
		var data []byte
		for i := range rng.IntN(6) {
			s := source{name: fmt.Sprintf("t%d", i), dtype: []string{"F32", "BF16", "U8"}[rng.IntN(3)], shape: []uint64{}}
			for range rng.IntN(4) {
				s.shape = append(s.shape, rng.Uint64N(4))
			}
			n, _ := product(append([]uint64{dtypes[s.dtype]}, s.shape...))
			s.offset, s.size = int64(len(data)), int64(n)
			data = append(data, make([]byte, n)...)
			want = append(want, s)
			entries = append(entries, fmt.Sprintf("%q:%s", s.name, asJSON(t, map[string]any{
				"dtype": s.dtype, "shape": s.shape, "data_offsets": []int64{s.offset, s.offset + s.size},
			})))
		}
		rng.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		file := encodeSafetensors([]byte("{"+strings.Join(entries, ",")+"}"+strings.Repeat(" ", rng.IntN(9))), data)
		got, err := parse(file)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for _, s := range got {
			s.offset -= int64(len(file) - len(data))
			s.file = ""
			require.Contains(t, want, s)
		}
		for cut := range len(data) { // a shorter file
			_, err := parse(file[:len(file)-1-cut])
			require.Error(t, err)
		}
	}
}

var brokenHeaders = []struct{ name, file, say string }{
	{"nothing", "", "too few"},
	{"short", "1234", "too few"},
	{"git", "version https://git-lfs.github.com/spec/v1", "git lfs pull"},
	{"long header", "\xff\xff\xff\xff\x00\x00\x00\x00{}", "its header has 4294967295 bytes"},
	{"negative header", "\xff\xff\xff\xff\xff\xff\xff\xff{}", "18446744073709551615"},
	{"no object", string(encodeSafetensors([]byte(`[]`), nil)), "JSON object"},
	{"not JSON", string(encodeSafetensors([]byte(`{"a":`), nil)), "broken"},
	{"twice", string(encodeSafetensors([]byte(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`), []byte("ab"))), "twice"},
	{"type", string(encodeSafetensors([]byte(`{"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,1]}}`), []byte("a"))), `"Q4"`},
	{"offsets", string(encodeSafetensors([]byte(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}}`), []byte("a"))), "[0]"},
	{"backwards", string(encodeSafetensors([]byte(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}`), []byte("a"))), "[1 0]"},
	{"negative", string(encodeSafetensors([]byte(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}`), []byte("a"))), "[-1 0]"},
	{"negative shape", string(encodeSafetensors([]byte(`{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}`), []byte("a"))), `"a"`},
	{"size", string(encodeSafetensors([]byte(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`), []byte("abcd"))), "shape [2], but 4 bytes"},
	{"overflow", string(encodeSafetensors([]byte(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`), nil)), "4611686018427387904"},
	{"gap", string(encodeSafetensors([]byte(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`), []byte("ab"))), "begins at byte 1"},
	{"overlap", string(encodeSafetensors([]byte(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`), []byte("abc"))), "ends at 2"},
	{"beyond", string(encodeSafetensors([]byte(`{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}`), []byte("abc"))), "cut short"},
	{"left over", string(encodeSafetensors([]byte(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`), []byte("abc"))), "2 bytes follow"},
}

func TestBrokenSafetensors(t *testing.T) {
	for _, test := range brokenHeaders {
		_, err := parse([]byte(test.file))
		assert.Equal(t, puna.Invalid, puna.KindOf(err), test.name)
		assert.ErrorContains(t, err, test.say, test.name)
		assert.ErrorContains(t, err, "x.safetensors", test.name)
	}
}
