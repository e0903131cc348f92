package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "123": 123, "8GB": 8e9, "8 GiB": 8 << 30, "7.5g": 15 << 29, "512MiB": 512 << 20, "1T": 1 << 40, "10kb": 10000, "64B": 64,
	} {
		n, ok := parseSize(s)
		assert.True(t, ok, s)
		assert.Equal(t, want, n, s)
	}
	for _, s := range []string{"", "GB", "-1", "1.2.3G", "8 gallons", "1e3", "99999999T", "50%", "inf", "NaN"} {
		_, ok := parseSize(s)
		assert.False(t, ok, s)
	}
}
