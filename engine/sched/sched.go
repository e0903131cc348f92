package sched

import (
	"fmt"
	"slices"
	"time"
)

// Token is a token's number in the vocabulary.
type Token = int32

// ID is a sequence id of the KV cache, from 0.
type ID = int32

// minShare is how many tokens of a prefix that another sequence is computing make
// it worth waiting for; computing fewer costs about as much as waiting a step.
const minShare = 32

// rowGroup is how many rows of a batch kernels take together: those left over of a
// multiple go one by one through the same weights, each for nearly the price of a step
// (ggml_gemm and ggml_gemv in ggml-cpu/repack.cpp).
const rowGroup = 4

// Config holds a context's budgets.
type Config struct {
	Cells   int           // of the unified KV cache; at least 1
	IDs     int           // sequence ids, for running sequences and cached prefixes
	Running int           // sequences that run at once; 0: as many as IDs
	Batch   int           // rows of a batch
	Plain   bool          // attention over one KV cache: prefixes can be shared and cut; else only copied where they end
	MaxGap  time.Duration // target for a step that has both generating rows and prompt chunks; 0: 250 ms

	// DraftRows is how many rows a batch may have for drafted tokens to be in it: with
	// more of them, each makes the step as much longer as it saves. 0, and where Plain is
	// false: no drafts.
	DraftRows int

	// Prefixes that leave the cells are kept in other memory, in up to Store bytes.
	Store     int64 // 0: they are forgotten
	Elsewhere int   // copies that may be kept in slower memory when they leave the store; 0: none
	CellBytes int64 // of a cell in a copy
	SeqBytes  int64 // of a copy whatever its length, such as a recurrent state
	Tidy      bool  // prefixes leave the cells when a prompt comes that doesn't go on from them
}

// Seq is a sequence that was added and isn't finished. Its fields are its owner's.
type Seq struct {
	Owner any
	Keep  int  // tokens at the start that a shift keeps
	Shift bool // drop tokens when the limit is reached, instead of being finished

	// Draft proposes up to most tokens that may follow s's, for a batch that has rows rows
	// without them. Plan calls it, and what it returns has to last until the next Plan. nil:
	// no drafts.
	Draft func(rows, most int) []Token

	tokens []Token // prompt, then what was appended
	limit  int
	span   *span // its cells; nil while it waits
	parked bool
	again  bool  // it was preempted
	cached int   // tokens that weren't computed, when it first ran
	stops  []int // where copies are to be made on the way, in order

	draft []Token // in the batch, and in cells after span's once that is computed

	hold   *Seq // it waits until this sequence
	holdAt int  // has computed so many tokens

	fetch *stored // it waits until this copy is read, or has room
}

// span holds a sequence id and the cells of a run of tokens from position 0.
type span struct {
	id   ID
	leaf *node
	n    int    // tokens on the path from the root to the end of leaf
	used uint64 // logical time of the last use
	seq  *Seq   // nil: a cached prefix
	kept bool   // [Scheduler.Unkept] returned it
}

// Len is the number of s's tokens, the prompt's included.
func (s *Seq) Len() int { return len(s.tokens) }

// Tokens are the prompt and the appended tokens, less those that shifts dropped.
// The slice is the scheduler's: read it before the next call.
func (s *Seq) Tokens() []Token { return s.tokens }

// Cached is how many tokens of the prompt were taken from the prefix cache when s
// first ran.
func (s *Seq) Cached() int { return s.cached }

// Running reports whether s holds cells.
func (s *Seq) Running() bool { return s.span != nil }

// Computed is how many of s's tokens are in the KV cache.
func (s *Seq) Computed() int {
	if s.span == nil {
		return 0
	}
	return s.span.n
}

func (s *Seq) pending() int { return len(s.tokens) - s.Computed() }

// OpKind says what an [Op] does.
type OpKind int

// The changes of a KV cache, and of the copies beside it.
const (
	Remove  OpKind = iota // remove positions [N, end) of Dst
	Share                 // share positions [0, N) of Src with Dst, which is empty
	Save                  // keep a copy of Src, whole, under Key
	Restore               // fill Dst, which is empty, with the copy under Key, which is in memory
	Demote                // the copy under Key leaves memory, and may be kept elsewhere
	Fetch                 // begin to read the copy under Key, which is elsewhere, into memory: see [Scheduler.Fetched]
	Release               // what Fetch read of the copy under Key leaves memory; the copy stays elsewhere
	Forget                // drop the copy under Key, wherever it is
)

// Op is a change to make before the batch is decoded.
type Op struct {
	Kind OpKind
	Src  ID
	Dst  ID
	N    int
	Key  uint64

	Tokens []Token // that Save copies, not to be changed
}

// Row is a token of a batch.
type Row struct {
	Token  Token
	Pos    int32
	ID     ID
	Output bool // its logits are needed
}

// Chunk is the run of a batch's rows that belongs to one sequence.
type Chunk struct {
	Seq    *Seq
	First  int // index of the first row
	N      int
	Output bool // the last of Seq's tokens is in it, and has logits
	Draft  int  // rows at the end, with logits too, of tokens that Seq doesn't have yet
}

// Batch is the work of one step. It is valid until the next Plan.
type Batch struct {
	Rows   []Row
	Chunks []Chunk
	decode int // rows of sequences that generate, without their drafts
	drafts int // drafted rows
}

// Scheduler is described in the package's documentation.
type Scheduler struct {
	cfg      Config
	tree     tree
	waiting  []*Seq
	running  []*Seq  // by age of admission, oldest first
	admitted []*span // by the last Plan
	cached   []*span // unordered
	store    store
	free     []ID
	batch    Batch
	ops      []Op
	spare    []Op // the ops last returned, to be reused
	pace     pace
	now      uint64
	shrink   int // limit of rows after [Scheduler.NoSlot]; 0: none
	preempt  int64
}

// New makes a scheduler. It panics on budgets below 1.
func New(cfg Config) *Scheduler {
	if cfg.Cells < 1 || cfg.IDs < 1 || cfg.Batch < 1 {
		panic(fmt.Sprintf("sched: budgets below 1: %+v", cfg))
	}
	if cfg.Running <= 0 || cfg.Running > cfg.IDs {
		cfg.Running = cfg.IDs
	}
	if cfg.MaxGap <= 0 {
		cfg.MaxGap = 250 * time.Millisecond
	}
	if !cfg.Plain {
		cfg.DraftRows = 0
	}
	s := &Scheduler{cfg: cfg, store: store{budget: cfg.Store}}
	for id := cfg.IDs - 1; id >= 0; id-- {
		s.free = append(s.free, ID(id))
	}
	return s
}

// Add queues a sequence that may grow to limit tokens, prompt included. It panics
// unless 0 < len(prompt) < limit <= Config.Cells: callers say which is wrong.
func (s *Scheduler) Add(prompt []Token, limit int) *Seq {
	if len(prompt) == 0 || len(prompt) >= limit || limit > s.cfg.Cells {
		panic(fmt.Sprintf("sched: prompt of %d tokens, limit %d, %d cells", len(prompt), limit, s.cfg.Cells))
	}
	q := &Seq{tokens: slices.Clone(prompt), limit: limit}
	s.waiting = append(s.waiting, q)
	return q
}

// Append adds a sampled token to q. It reports whether q is full: it has reached
// its limit and doesn't shift, so nothing more can be computed for it. A token that was
// drafted is computed already; any other ends the draft, whose cells go.
func (s *Scheduler) Append(q *Seq, t Token) (full bool) {
	if len(q.draft) > 0 && q.draft[0] == t {
		s.tree.extend(q.span, q.draft[:1])
		q.draft = q.draft[1:]
	} else {
		s.reject(q)
	}
	q.tokens = append(q.tokens, t)
	if len(q.tokens) < q.limit {
		return false
	}
	if q.Shift {
		s.shift(q)
	}
	return len(q.tokens) >= q.limit
}

// Rewind takes q's tokens after the first n back, and their cells. A token has to be
// appended to what is left before the next Plan.
func (s *Scheduler) Rewind(q *Seq, n int) {
	s.reject(q)
	q.tokens = q.tokens[:n]
	if q.span != nil {
		s.cut(q.span, n)
	}
	for _, w := range s.waiting {
		if w.hold == q {
			w.hold = nil
		}
	}
}

// shift drops the older half of what comes after the kept tokens. The rest is
// computed again at its new positions: moving cells would move those of every
// sequence that shares them.
func (s *Scheduler) shift(q *Seq) {
	keep := min(q.Keep, q.limit-2)
	drop := max(1, (len(q.tokens)-keep)/2)
	q.tokens = slices.Delete(q.tokens, keep, keep+drop)
	q.stops = nil
	if q.span == nil {
		return
	}
	if !s.cfg.Plain {
		keep = 0
	}
	s.cut(q.span, min(keep, q.span.n))
}

// Park takes q out of the following batches, or back into them. Parked sequences
// are the first to lose their cells when others need some.
func (s *Scheduler) Park(q *Seq, parked bool) { q.parked = parked }

// Finish ends q. Its computed tokens stay as a cached prefix where that can be of
// use.
func (s *Scheduler) Finish(q *Seq) {
	s.remove(q)
	s.reject(q)
	if q.span != nil {
		s.retire(q.span)
		q.span = nil
	}
}

// Drop ends q and forgets what it computed.
func (s *Scheduler) Drop(q *Seq) {
	s.remove(q)
	s.reject(q)
	if q.span != nil {
		s.release(q.span)
		q.span = nil
	}
}

// reject drops the cells of what is left of q's draft.
func (s *Scheduler) reject(q *Seq) {
	if len(q.draft) > 0 {
		q.draft = nil
		s.ops = append(s.ops, Op{Dst: q.span.id, N: q.span.n})
	}
}

func (s *Scheduler) remove(q *Seq) {
	is := func(other *Seq) bool { return other == q }
	s.waiting = slices.DeleteFunc(s.waiting, is)
	s.running = slices.DeleteFunc(s.running, is)
}

// retire makes the span of a sequence that no longer runs a cached prefix. Of
// cached prefixes that hold the same tokens, the longest stays.
func (s *Scheduler) retire(p *span) {
	p.seq = nil
	if !s.cfg.Plain {
		s.save(p)
		s.release(p)
		return
	}
	if p.n == 0 || len(p.leaf.kids) > 0 || len(p.leaf.ends) > 1 {
		s.release(p) // useless, or all in other spans
		return
	}
	for i := len(s.cached) - 1; i >= 0; i-- { // ones that p's path runs through
		if other := s.cached[i]; other.n <= p.n && p.leaf.under(other.leaf) {
			s.cached = slices.Delete(s.cached, i, i+1)
			s.release(other)
		}
	}
	s.touch(p)
	p.kept = false
	s.cached = append(s.cached, p)
}

func (s *Scheduler) touch(p *span) {
	s.now++
	p.used = s.now
}

// release frees p's id and the cells that no other span has.
func (s *Scheduler) release(p *span) {
	s.tree.cut(p, 0)
	s.ops = append(s.ops, Op{Dst: p.id})
	s.giveBack(p.id)
}

// giveBack keeps the free ids in order, so that the lowest is taken first: see
// [Batch.byID].
func (s *Scheduler) giveBack(id ID) {
	at, _ := slices.BinarySearchFunc(s.free, id, func(a, b ID) int { return int(b - a) })
	s.free = slices.Insert(s.free, at, id)
}

// cut shortens p to n tokens.
func (s *Scheduler) cut(p *span, n int) {
	if n < p.n {
		s.tree.cut(p, n)
		s.ops = append(s.ops, Op{Dst: p.id, N: n})
	}
}

// Clear forgets every cached prefix in cells and in memory. Running sequences stay, and
// so do copies that are elsewhere.
func (s *Scheduler) Clear() {
	for _, c := range slices.Clone(s.store.copies) {
		if c.bytes > 0 {
			s.forget(c)
		}
	}
	for _, p := range s.cached {
		s.release(p)
	}
	s.cached = s.cached[:0]
}

// Ops returns the changes of the KV cache that are due, and forgets them. They are
// valid until the next call of Ops or Plan.
func (s *Scheduler) Ops() []Op {
	ops := s.ops
	s.ops, s.spare = s.spare[:0], ops
	return ops
}

// Usage says what the budgets are used for.
type Usage struct {
	Cells    int // in use
	Running  int // sequences
	Waiting  int
	Prefixes int   // cached in cells
	Copies   int   // of prefixes outside the cells
	Stored   int64 // bytes of the copies
	Preempts int64 // since New
}

// Usage reads the gauges.
func (s *Scheduler) Usage() Usage {
	return Usage{
		Cells: s.tree.cells, Running: len(s.running), Waiting: len(s.waiting), Prefixes: len(s.cached),
		Copies: len(s.store.copies), Stored: s.store.bytes, Preempts: s.preempt,
	}
}

// Idle reports whether no sequence is left.
func (s *Scheduler) Idle() bool { return len(s.waiting)+len(s.running) == 0 }
