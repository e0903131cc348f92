package llama

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// llama.cpp trusts grammars: one with {3,1}, with too many ways to be empty, or with
// parentheses that nest too deep takes all memory, all time or the stack. checkGrammar
// therefore parses the text first, by the same rules, and bounds what it stands for.
// It also tells what is wrong with it, which llama.cpp only writes to stderr.
const (
	maxGrammarBytes    = 4 << 20
	maxGrammarDepth    = 256     // of parentheses
	maxGrammarRules    = 8192    // as written
	maxGrammarElements = 4 << 20 // with repetitions written out, 8 bytes each
	maxGrammarRepeat   = 2000    // llama.cpp's own bound
	maxGrammarPaths    = 100_000 // ways to reach a character, or the end, from a rule's start
)

// grammarItem is a character, a reference or a group, with its repetitions.
type grammarItem struct {
	elements int // that llama.cpp keeps for one of it
	empty    bool
	rule     string       // of a reference
	group    *grammarRule // of a group
	min, max int          // max < 0: no end
}

// grammarRule is what a name or a group stands for.
type grammarRule struct {
	name       string // or the name of the rule around a group
	alternates [][]grammarItem
	counted    bool
	counting   bool
	paths      paths
}

// paths counts the ways that lead through something without a character, and those
// that lead to its first characters. llama.cpp walks every one of them at each token.
type paths struct{ through, to float64 }

// before puts next after p.
func (p paths) before(next paths) paths {
	return paths{through: clamp(p.through * next.through), to: clamp(p.to + p.through*next.to)}
}

// clamp keeps numbers that are too large anyway finite: infinity times zero is none.
func clamp(x float64) float64 { return min(x, 1e18) }

// checkGrammar checks a grammar that begins with the rule root.
func checkGrammar(text, root string) error {
	switch {
	case text == "":
		return nil // allows everything
	case len(text) > maxGrammarBytes:
		return fmt.Errorf("%d bytes: at most %d", len(text), maxGrammarBytes)
	case !utf8.ValidString(text):
		return errors.New("it is not UTF-8")
	}
	p := grammarParser{text: text, rules: map[string]*grammarRule{}}
	if err := p.parse(); err != nil {
		return err
	}
	for _, name := range []string{root, "root"} { // llama.cpp insists on the latter
		if p.rules[name] == nil {
			return fmt.Errorf("it has no rule %q", name)
		}
	}
	c := grammarCheck{rules: p.rules}
	for _, r := range p.all {
		if err := c.rule(r); err != nil {
			return fmt.Errorf("rule %q: %w", r.name, err)
		}
	}
	return nil
}

// grammarCheck bounds a parsed grammar.
type grammarCheck struct {
	rules    map[string]*grammarRule
	elements int
}

// rule checks every item of r, and the paths from before each of them to the end.
func (c *grammarCheck) rule(r *grammarRule) error {
	if err := c.count(r); err != nil {
		return err
	}
	most := r.paths.through + r.paths.to
	for _, alternate := range r.alternates {
		rest := paths{through: 1}
		for i := len(alternate) - 1; i >= 0; i-- {
			it := &alternate[i]
			c.elements += it.elements * (max(it.min, it.max, 1) + 1)
			one, err := c.item(it)
			if err != nil {
				return err
			}
			rest = one.before(rest)
			most = max(most, rest.through+rest.to)
		}
	}
	if most > maxGrammarPaths {
		return fmt.Errorf("it is too ambiguous: more than %d ways lead to the next characters", maxGrammarPaths)
	}
	if c.elements > maxGrammarElements {
		return fmt.Errorf("the repetitions make it longer than %d elements", maxGrammarElements)
	}
	return nil
}

// count fills r.paths. It only looks at items that a path reaches without a
// character, so that a rule which leads back to itself is left-recursive.
func (c *grammarCheck) count(r *grammarRule) error {
	if r.counted {
		return nil
	}
	if r.counting {
		return errors.New("it is left-recursive: it can begin with itself")
	}
	r.counting = true
	for _, alternate := range r.alternates {
		alt := paths{through: 1}
		for i := 0; i < len(alternate) && alt.through > 0; i++ {
			item, err := c.item(&alternate[i])
			if err != nil {
				return err
			}
			alt = alt.before(item)
		}
		r.paths.through += alt.through
		r.paths.to += alt.to
	}
	r.counted = true
	return nil
}

// item counts the paths of one item of a rule.
func (c *grammarCheck) item(it *grammarItem) (paths, error) {
	one := paths{to: 1}
	r := it.group
	if it.rule != "" {
		if r = c.rules[it.rule]; r == nil {
			return one, fmt.Errorf("there is no rule %q", it.rule)
		}
	}
	if it.empty {
		one = paths{through: 1}
	}
	if r != nil {
		if err := c.count(r); err != nil {
			return one, err
		}
		one = r.paths
	}
	return one.repeat(it.min, it.max)
}

// repeat counts the paths of one from lo to hi times, without end for hi < 0:
// llama.cpp writes it as lo copies and a chain of hi-lo optional ones.
func (one paths) repeat(lo, hi int) (paths, error) {
	if hi < 0 && one.through > 0 {
		return one, fmt.Errorf("it repeats without end what may be empty")
	}
	optional := 1
	if hi >= 0 {
		optional = hi - lo
	}
	before := clamp(math.Pow(one.through, float64(lo)))
	all := paths{
		through: clamp(before * geometric(one.through, optional+1)),
		to:      clamp(one.to * geometric(one.through, lo+optional)),
	}
	if hi < 0 {
		all.through = before
		if lo == 0 {
			all.through = 1
		}
	}
	return all, nil
}

// geometric returns 1 + x + ... + x^(n-1).
func geometric(x float64, n int) float64 {
	sum, term := 0.0, 1.0
	for range n {
		sum += term
		term *= x
		if sum > maxGrammarPaths*2 {
			break
		}
	}
	return sum
}
