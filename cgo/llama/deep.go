package llama

// The regular expressions of llama.cpp (C++'s std::regex) recurse for each character
// that they match; see shim_deep.cpp. These bound the stack that takes.
const (
	stackPerByte = 1 << 10 // more than twice what was measured with GCC 12
	stackBase    = 1 << 20
	shallow      = 256     // bytes that any thread's stack has room for
	deepest      = 1 << 20 // bytes; their stack is 1 GiB of addresses
)

// stackFor returns the size of the stack for matches of n bytes, 0 for the one at hand.
func stackFor(n int) int {
	if n <= shallow {
		return 0
	}
	return stackBase + n*stackPerByte
}

// longestWord bounds, in bytes, what one match of a tokenizer's regular expressions
// covers: at most a word with the spaces before and after it.
func longestWord(text string) int {
	if len(text) <= shallow {
		return len(text)
	}
	var before, word, after int // lengths of the last three runs of spaces and others
	longest, wasSpace := 0, false
	for i := range len(text) {
		space := text[i] == ' ' || text[i] >= '\t' && text[i] <= '\r'
		if space != wasSpace {
			longest = max(longest, before+word+after)
			before, word, after = word, after, 0
			wasSpace = space
		}
		after++
	}
	return max(longest, before+word+after)
}
