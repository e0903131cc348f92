// Package wire holds the JSON of Ollama's API and its translation to and from the
// types of package puna. The server decodes requests and encodes answers with it,
// the client of a remote server the other way round, so that the two can't differ.
//
// The types follow github.com/ollama/ollama/api, whose own are used where they
// fit. Ours differ where that package loses what came in (the key order and the
// numbers of tool arguments, keywords of tool schemas, raw bytes of tokens) or
// where fields came later than its version: prompt_eval_cached_count,
// capabilities in /api/tags, context_length and embedding_length in details. A
// test holds that no field of Ollama's is missing.
//
// Fields of Puna's own: tool_choice ("auto", "none", "required" or a tool's name)
// of a chat, and prompt_truncated_count, the number of prompt tokens that were cut.
//
// Caveats: translation shares memory (images, schemas, token lists) with what it
// translates.
package wire
