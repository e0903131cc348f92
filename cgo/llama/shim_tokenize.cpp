#include "shim.h"

#include <algorithm>

#include "guard.h"

int32_t puna_tokenize(const struct llama_vocab *vocab, const char *text, int32_t text_len, llama_token *tokens, int32_t n_tokens_max, bool add_special, bool parse_special, char **err) {
    return guard<int32_t>(err, 0, [&] { return llama_tokenize(vocab, text, text_len, tokens, n_tokens_max, add_special, parse_special); });
}
