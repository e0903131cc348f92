package llama

import (
	"fmt"
	"strings"
)

// llama.cpp parses and follows grammars recursively, on a stack of fixed size: the
// depth of parentheses and the number of rules bound that recursion.
const (
	maxGrammarBytes = 4 << 20
	maxGrammarDepth = 512
	maxGrammarRules = 8192
)

// checkGrammar refuses a grammar that could overflow the stack.
func checkGrammar(text string) error {
	if len(text) > maxGrammarBytes {
		return fmt.Errorf("%d bytes: at most %d", len(text), maxGrammarBytes)
	}
	if n := strings.Count(text, "("); n > maxGrammarDepth && parenDepth(text) > maxGrammarDepth {
		return fmt.Errorf("parentheses nest deeper than %d", maxGrammarDepth)
	}
	if rules := strings.Count(text, "::="); rules > maxGrammarRules {
		return fmt.Errorf("more than %d rules", maxGrammarRules)
	}
	return nil
}

// parenDepth returns how deep the parentheses nest outside of literals, classes and
// comments.
func parenDepth(text string) int {
	depth, deepest := 0, 0
	var quote byte // what ends the literal, class or comment that text[i] is in
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0:
			if c == '\\' && quote != '\n' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"':
			quote = '"'
		case c == '[':
			quote = ']'
		case c == '#':
			quote = '\n'
		case c == '(':
			depth++
			deepest = max(deepest, depth)
		case c == ')':
			depth--
		}
	}
	return deepest
}
