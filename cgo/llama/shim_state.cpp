#include "shim.h"

#include <algorithm>

#include "guard.h"

// A size of zero is llama.cpp's failure; the cause is in its log.
template <typename F> static size_t guard_size(char **err, F f) { return guard<size_t>(err, 0, 0, f); }

size_t puna_state_get_size(struct llama_context *ctx, char **err) {
    return guard_size(err, [&] { return llama_state_get_size(ctx); });
}

size_t puna_state_get_data(struct llama_context *ctx, uint8_t *dst, size_t size, char **err) {
    return guard_size(err, [&] { return llama_state_get_data(ctx, dst, size); });
}

size_t puna_state_set_data(struct llama_context *ctx, const uint8_t *src, size_t size, char **err) {
    return guard_size(err, [&] { return llama_state_set_data(ctx, src, size); });
}

bool puna_state_load_file(struct llama_context *ctx, const char *path, llama_token *tokens, size_t cap, size_t *n, char **err) {
    return guard<bool>(err, false, false, [&] { return llama_state_load_file(ctx, path, tokens, cap, n); });
}

bool puna_state_save_file(struct llama_context *ctx, const char *path, const llama_token *tokens, size_t n, char **err) {
    return guard<bool>(err, false, false, [&] { return llama_state_save_file(ctx, path, tokens, n); });
}

size_t puna_state_seq_get_size(struct llama_context *ctx, llama_seq_id seq_id, llama_state_seq_flags flags, char **err) {
    return guard_size(err, [&] { return llama_state_seq_get_size_ext(ctx, seq_id, flags); });
}

size_t puna_state_seq_get_data(struct llama_context *ctx, uint8_t *dst, size_t size, llama_seq_id seq_id, llama_state_seq_flags flags, char **err) {
    return guard_size(err, [&] { return llama_state_seq_get_data_ext(ctx, dst, size, seq_id, flags); });
}

size_t puna_state_seq_set_data(struct llama_context *ctx, const uint8_t *src, size_t size, llama_seq_id seq_id, llama_state_seq_flags flags, char **err) {
    return guard_size(err, [&] { return llama_state_seq_set_data_ext(ctx, src, size, seq_id, flags); });
}

size_t puna_state_seq_load_file(struct llama_context *ctx, const char *path, llama_seq_id seq_id, llama_token *tokens, size_t cap, size_t *n, char **err) {
    return guard_size(err, [&] { return llama_state_seq_load_file(ctx, path, seq_id, tokens, cap, n); });
}

size_t puna_state_seq_save_file(struct llama_context *ctx, const char *path, llama_seq_id seq_id, const llama_token *tokens, size_t n, char **err) {
    return guard_size(err, [&] { return llama_state_seq_save_file(ctx, path, seq_id, tokens, n); });
}
