package spec

import "math/bits"

const (
	minMatch = 2  // tokens
	maxMatch = 16 // tokens that are compared: more hardly tell which of two places is better
	places   = 8  // that are compared, the last ones first
)

// index finds the earlier places of a pair of tokens. A place is the position after
// the pair, so none is 0.
type index struct {
	heads []int32 // by hash of a pair: its last place; 0: none
	links []int32 // by place, less one: the one before it of the same hash; 0: none
	shift int     // of a hash, to an index of heads
}

// reset makes the index of tokens anew, with room for size of them, and returns what
// [index.insert] did for the last one.
func (x *index) reset(tokens []Token, size int) (place int32) {
	log := bits.Len(uint(size - 1))
	x.heads, x.links, x.shift = make([]int32, 1<<log), make([]int32, 0, 1<<log), 64-log
	for n := range tokens {
		place = x.insert(tokens[:n+1])
	}
	return place
}

// insert adds the last pair of tokens, of which all others are in the index, and
// returns the place before it of the same hash; 0: none.
func (x *index) insert(tokens []Token) (place int32) {
	n := len(tokens)
	if n > len(x.heads) {
		return x.reset(tokens, 2*n)
	}
	if n >= minMatch {
		pair := uint64(uint32(tokens[n-2]))<<32 | uint64(uint32(tokens[n-1]))
		head := &x.heads[pair*0x9E3779B97F4A7C15>>x.shift]
		place, *head = *head, int32(n)
	}
	x.links = append(x.links, place)
	return place
}

// follow takes up the match that repeats most of the last tokens, of those at place
// and linked from there.
func (d *Drafter) follow(place int32) {
	for n := 0; place > 0 && n < places && d.length < maxMatch; n++ {
		if l := d.match(int(place)); l >= minMatch && l > d.length {
			d.next, d.length = int(place), l
		}
		place = d.pairs.links[place-1]
	}
}

// match is how many tokens before place are also the last ones, as far as they are
// compared.
func (d *Drafter) match(place int) (n int) {
	last := len(d.tokens)
	for n < min(maxMatch, place) && d.tokens[place-1-n] == d.tokens[last-1-n] {
		n++
	}
	return n
}
