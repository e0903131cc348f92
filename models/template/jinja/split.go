package jinja

import (
	"slices"
	"strings"
)

// splitArgs reads the arguments of split and rsplit; sep "" means whitespace.
func splitArgs(line int, a args) (sep string, limit int) {
	b := a.bind(line, "split", "sep", "maxsplit")
	if v := or(b[0], nil); v != nil {
		if sep = strArg(line, "split", v); sep == "" {
			fail(line, "split got an empty separator")
		}
	}
	return sep, intArg(line, "split", or(b[1], -1))
}

func split(r *run, line int, s string, a args) any {
	sep, limit := splitArgs(line, a)
	if sep != "" {
		if limit >= 0 {
			limit++
		}
		return r.strings(strings.SplitN(s, sep, limit))
	}
	var parts []string
	s = strings.TrimLeftFunc(s, isSpace)
	for s != "" {
		i := strings.IndexFunc(s, isSpace)
		if i < 0 || limit >= 0 && len(parts) == limit {
			parts = append(parts, s)
			break
		}
		parts = append(parts, s[:i])
		s = strings.TrimLeftFunc(s[i:], isSpace)
	}
	return r.strings(parts)
}

func rsplit(r *run, line int, s string, a args) any {
	sep, limit := splitArgs(line, a)
	if limit < 0 {
		return split(r, line, s, a)
	}
	var parts []string
	for len(parts) < limit {
		if sep == "" {
			s = strings.TrimRightFunc(s, isSpace)
			i := strings.LastIndexFunc(s, isSpace)
			if i < 0 {
				break
			}
			_, rest := cutAt(s, i, 0)
			parts = append(parts, strings.TrimLeftFunc(rest, isSpace))
			s = s[:i]
			continue
		}
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		head, tail := cutAt(s, i, len(sep))
		parts = append(parts, tail)
		s = head
	}
	if sep == "" {
		s = strings.TrimRightFunc(s, isSpace)
	}
	if s != "" || sep != "" {
		parts = append(parts, s)
	}
	slices.Reverse(parts)
	return r.strings(parts)
}

// cutAt splits s at i and drops n bytes there.
func cutAt(s string, i, n int) (head, tail string) { return s[:i], s[i+n:] }

func splitlines(r *run, line int, s string, a args) any {
	keep := truth(or(a.bind(line, "splitlines", "keepends")[0], false))
	var lines []string
	for s != "" {
		i := strings.IndexAny(s, "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029")
		if i < 0 {
			lines = append(lines, s)
			break
		}
		end := i + len(string([]rune(s[i:])[0]))
		if strings.HasPrefix(s[i:], "\r\n") {
			end = i + 2
		}
		if keep {
			lines = append(lines, s[:end])
		} else {
			lines = append(lines, s[:i])
		}
		s = s[end:]
	}
	return r.strings(lines)
}

func partition(index func(s, sep string) int, fromRight bool) stringMethod {
	return func(r *run, line int, s string, a args) any {
		sep := strArg(line, "partition", a.bind(line, "partition", "sep")[0])
		if sep == "" {
			fail(line, "partition got an empty separator")
		}
		parts := []any{s, "", ""}
		if fromRight {
			parts = []any{"", "", s}
		}
		if i := index(s, sep); i >= 0 {
			head, tail := cutAt(s, i, len(sep))
			parts = []any{head, sep, tail}
		}
		return &list{parts, true}
	}
}
