package grammar

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const maxInt = 999_999_999_999_999 // 15 digits

// number is a JSON number, or an integer, within bounds.
func (b *builder) number(s schema, integer bool, hint string) string {
	lo, loKey, loOpen := bound(s, "minimum", "exclusiveMinimum", 1)
	hi, hiKey, hiOpen := bound(s, "maximum", "exclusiveMaximum", -1)
	if loKey == "" && hiKey == "" {
		if !integer {
			return b.prim("number")
		}
		b.prim("int")
		return b.rule(s.pointer, hint, `"-"? int`)
	}
	pointer := s.pointer + escape(loKey)
	if loKey == "" {
		pointer = s.pointer + escape(hiKey)
	}
	// Whole numbers from first to last.
	first, last := math.Ceil(lo), math.Floor(hi)
	if loOpen && first == lo {
		first++
	}
	if hiOpen && last == hi {
		last--
	}
	first, last = math.Max(first, -maxInt), math.Min(last, maxInt)
	var terms []string
	if first <= last {
		terms = append(terms, intRange(int64(first), int64(last))...)
	}
	if !integer {
		terms = append(terms, b.fractions(lo, hi, loOpen, hiOpen)...)
	}
	if len(terms) == 0 {
		impossible(pointer, "the bounds leave no number that a grammar can describe")
	}
	return b.rule(s.pointer, hint, strings.Join(terms, " | "))
}

// bound reads the tighter of a bound and its exclusive form. sign is 1 for lower
// bounds. Without either, key is "".
func bound(s schema, key, exclusive string, sign float64) (at float64, found string, open bool) {
	at = math.Inf(int(-sign))
	if v, ok := s.object().values[key].(json.Number); ok {
		at, _ = strconv.ParseFloat(v.String(), 64)
		found = key
	}
	switch v := s.object().values[exclusive].(type) {
	case json.Number:
		f, _ := strconv.ParseFloat(v.String(), 64)
		if found == "" || f*sign >= at*sign {
			return f, exclusive, true
		}
	case bool: // before draft 6
		open = v
	}
	return at, found, open
}

// fractions are the numbers with a point strictly between two whole numbers that
// both lie within the bounds.
func (b *builder) fractions(lo, hi float64, loOpen, hiOpen bool) []string {
	from, to := math.Max(math.Ceil(lo), -maxInt), math.Min(math.Floor(hi), maxInt)
	if from >= to {
		return nil
	}
	b.prim("frac")
	// Between whole numbers, a fraction of zeros would be the whole number itself.
	some := `"." "0"{0,5} [1-9] [0-9]{0,8}`
	frac := func(open bool) string {
		if open {
			return some
		}
		return "frac"
	}
	var terms []string
	add := func(sign string, first, last float64, open bool) {
		if first > last {
			return
		}
		ints := intRange(int64(first), int64(last))
		terms = append(terms, fmt.Sprintf("%s%s %s", sign, alternatives(ints), frac(open)))
	}
	// 3.x lies in (3, 4) and 3.0 is 3; -3.x lies in (-4, -3) and -3.0 is -3.
	up := math.Max(from, 0)
	if up == from && loOpen && from == lo {
		add("", up, math.Min(up, to-1), true)
		up++
	}
	add("", up, to-1, false)
	down := math.Max(-to, 0)
	if down == -to && hiOpen && to == hi {
		add(`"-" `, down, math.Min(down, -from-1), true)
		down++
	}
	add(`"-" `, down, -from-1, false)
	return terms
}

// intRange is terms that together match the whole numbers from lo to hi.
func intRange(lo, hi int64) []string {
	var terms []string
	if lo < 0 {
		for _, t := range naturals(max(1, -min(hi, -1)), -lo) {
			terms = append(terms, `"-" `+t)
		}
	}
	if hi >= 0 {
		terms = append(terms, naturals(max(lo, 0), hi)...)
	}
	return terms
}

// naturals is terms for the numbers from lo to hi, both 0 or more.
func naturals(lo, hi int64) []string {
	var terms []string
	for lo <= hi {
		// The numbers from lo on with as many digits.
		width := len(strconv.FormatInt(lo, 10))
		end := min(hi, pow10(width)-1)
		terms = append(terms, sameWidth(strconv.FormatInt(lo, 10), strconv.FormatInt(end, 10))...)
		lo = end + 1
	}
	return terms
}

func pow10(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}

// sameWidth is terms for the numbers from lo to hi, which have equally many digits.
func sameWidth(lo, hi string) []string {
	n := len(lo)
	if n == 0 {
		return nil
	}
	if lo == hi {
		return []string{literal(lo)}
	}
	if strings.Trim(lo[1:], "0") == "" && strings.Trim(hi[1:], "9") == "" {
		return []string{strings.TrimSpace(digits(lo[0], hi[0]) + " " + anyDigits(n-1))}
	}
	if lo[0] == hi[0] {
		var terms []string
		for _, t := range sameWidth(lo[1:], hi[1:]) {
			terms = append(terms, literal(lo[:1])+" "+t)
		}
		return terms
	}
	nines, zeros := strings.Repeat("9", n-1), strings.Repeat("0", n-1)
	from, to := lo[0], hi[0]
	var terms, last []string
	if strings.Trim(lo[1:], "0") != "" {
		terms = sameWidth(lo, lo[:1]+nines)
		from++
	}
	if strings.Trim(hi[1:], "9") != "" {
		last = sameWidth(hi[:1]+zeros, hi)
		to--
	}
	if from <= to {
		terms = append(terms, sameWidth(string(from)+zeros, string(to)+nines)...)
	}
	return append(terms, last...)
}

func digits(from, to byte) string {
	if from == to {
		return literal(string(from))
	}
	return fmt.Sprintf("[%c-%c]", from, to)
}

func anyDigits(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "[0-9]"
	}
	return fmt.Sprintf("[0-9]{%d}", n)
}
