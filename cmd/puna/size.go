package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var sizeUnits = map[string]float64{
	"": 1, "B": 1,
	"K": 1 << 10, "KIB": 1 << 10, "KB": 1e3,
	"M": 1 << 20, "MIB": 1 << 20, "MB": 1e6,
	"G": 1 << 30, "GIB": 1 << 30, "GB": 1e9,
	"T": 1 << 40, "TIB": 1 << 40, "TB": 1e12,
}

// parseSize reads bytes such as 8000000000, 8GB, 7.5GiB or 7.5G, where G is GiB.
func parseSize(s string) (bytes int64, ok bool) {
	s = strings.TrimSpace(s)
	unit := strings.TrimLeft(s, "0123456789.")
	digits := strings.TrimSuffix(s, unit)
	scale, known := sizeUnits[strings.ToUpper(strings.TrimSpace(unit))]
	n, err := strconv.ParseFloat(digits, 64)
	if n *= scale; err != nil || !known || !(n >= 0 && n < math.MaxInt64) {
		return 0, false
	}
	return int64(n), true
}

// size is a flag in bytes.
type size int64

func (s *size) Set(text string) error {
	n, ok := parseSize(text)
	if !ok {
		return fmt.Errorf("need bytes such as 2GiB or 500MB")
	}
	*s = size(n)
	return nil
}

func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }
func (s *size) Type() string   { return "size" }
