// Guards around the calls of llama.h that can throw: no C++ exception crosses into
// Go. Each takes `char **err`; on failure it receives a text that the caller frees
// with free(): the exception's, or the errors that llama.cpp logged meanwhile.
#pragma once

#include <llama.h>

#ifdef __cplusplus
extern "C" {
#endif

// Returned in place of llama_decode's code when an exception was caught.
#define PUNA_EXCEPTION (-1000)

// puna_log_init makes sink (a ggml_log_callback) llama.cpp's log.
void puna_log_init(void *sink);

// puna_abort_flag_* is the abort callback's data: nonzero aborts the computation.
bool puna_abort_callback(void *flag);
void puna_abort_flag_set(int *flag, int value);
int  puna_abort_flag_get(int *flag);

struct llama_model        *puna_model_load(const char **paths, size_t n_paths, struct llama_model_params *params, uintptr_t progress, char **err);
struct llama_context      *puna_context_init(struct llama_model *model, struct llama_context_params *params, int *abort_flag, char **err);
struct llama_adapter_lora *puna_adapter_lora_init(struct llama_model *model, const char *path, char **err);
int32_t                    puna_apply_adapter_cvec(struct llama_context *ctx, const float *data, size_t len, int32_t n_embd, int32_t il_start, int32_t il_end, char **err);

// puna_tokenize runs on a stack of `stack` bytes of its own, or the caller's for 0.
int32_t puna_tokenize(const struct llama_vocab *vocab, const char *text, int32_t text_len, llama_token *tokens, int32_t n_tokens_max, bool add_special, bool parse_special, size_t stack, char **err);

// An exception gives 0: no text.
int32_t puna_token_to_piece(const struct llama_vocab *vocab, llama_token token, char *buf, int32_t length, int32_t lstrip, bool special);
int32_t puna_detokenize(const struct llama_vocab *vocab, const llama_token *tokens, int32_t n_tokens, char *text, int32_t text_len_max, bool remove_special, bool unparse_special, char **err);

int32_t puna_encode(struct llama_context *ctx, struct llama_batch batch, char **err);
int32_t puna_decode(struct llama_context *ctx, struct llama_batch batch, char **err);

bool puna_memory_clear(llama_memory_t mem, bool data, char **err);
int  puna_memory_seq_rm(llama_memory_t mem, llama_seq_id seq_id, llama_pos p0, llama_pos p1, char **err);
bool puna_memory_seq_cp(llama_memory_t mem, llama_seq_id src, llama_seq_id dst, llama_pos p0, llama_pos p1, char **err);

size_t puna_state_get_size(struct llama_context *ctx, char **err);
size_t puna_state_get_data(struct llama_context *ctx, uint8_t *dst, size_t size, char **err);
size_t puna_state_set_data(struct llama_context *ctx, const uint8_t *src, size_t size, char **err);
bool   puna_state_load_file(struct llama_context *ctx, const char *path, llama_token *tokens, size_t cap, size_t *n, char **err);
bool   puna_state_save_file(struct llama_context *ctx, const char *path, const llama_token *tokens, size_t n, char **err);
size_t puna_state_seq_get_size(struct llama_context *ctx, llama_seq_id seq_id, llama_state_seq_flags flags, char **err);
size_t puna_state_seq_get_data(struct llama_context *ctx, uint8_t *dst, size_t size, llama_seq_id seq_id, llama_state_seq_flags flags, char **err);
size_t puna_state_seq_set_data(struct llama_context *ctx, const uint8_t *src, size_t size, llama_seq_id seq_id, llama_state_seq_flags flags, char **err);
size_t puna_state_seq_load_file(struct llama_context *ctx, const char *path, llama_seq_id seq_id, llama_token *tokens, size_t cap, size_t *n, char **err);
size_t puna_state_seq_save_file(struct llama_context *ctx, const char *path, llama_seq_id seq_id, const llama_token *tokens, size_t n, char **err);

struct llama_sampler *puna_sampler_init_grammar(const struct llama_vocab *vocab, const char *grammar, const char *root, bool lazy, const char **patterns, size_t n_patterns, const llama_token *tokens, size_t n_tokens, char **err);
struct llama_sampler *puna_sampler_init_penalties(int32_t last_n, float repeat, float freq, float present, char **err);
struct llama_sampler *puna_sampler_init_dry(const struct llama_vocab *vocab, int32_t n_ctx_train, float multiplier, float base, int32_t allowed_length, int32_t last_n, const char **breakers, size_t n_breakers, char **err);
struct llama_sampler *puna_sampler_clone(const struct llama_sampler *smpl, char **err);
bool                  puna_sampler_reset(struct llama_sampler *smpl, char **err);

// puna_sampler_accept refuses a token that an unfinished grammar in smpl forbids,
// which llama_sampler_accept would abort on.
bool puna_sampler_accept(struct llama_sampler *smpl, llama_token token, char **err);

// puna_sampler_accept_deep does so on a stack of `stack` bytes of its own.
bool puna_sampler_accept_deep(struct llama_sampler *smpl, llama_token token, size_t stack, char **err);

// puna_sampler_apply gives up where nothing is left to select, or a logit is not a
// number: the selecting samplers would abort.
bool puna_sampler_apply(struct llama_sampler *smpl, llama_token_data_array *cur_p, char **err);

// puna_sampler_sample fills cur_p, which has room for n, from logits (n), applies
// smpl and returns the selected token, or LLAMA_TOKEN_NULL with an error.
llama_token puna_sampler_sample(struct llama_sampler *smpl, llama_token_data_array *cur_p, const float *logits, int32_t n, bool accept, char **err);

// These give false, or LLAMA_TOKEN_NULL, for logits with NaN or +inf.
bool        puna_candidates_fill(llama_token_data_array *cur_p, const float *logits, int32_t n);
bool        puna_candidates_top_k(llama_token_data_array *cur_p, const float *logits, int32_t n, int32_t k);
llama_token puna_argmax(const float *logits, int32_t n);

// Quantization takes C++ containers; these build them.
typedef struct puna_quantize_args {
    llama_model_quantize_params    params;
    const char                   **imatrix_names; // (n_imatrix,)
    const float                  **imatrix_data;  // (n_imatrix,)
    const size_t                  *imatrix_sizes; // (n_imatrix,), in floats
    size_t                         n_imatrix;
    struct llama_model_kv_override *kv_overrides; // (n_kv_overrides,)
    size_t                         n_kv_overrides;
    const char                   **tensor_patterns; // (n_tensor_types,), regular expressions
    const int32_t                 *tensor_types;    // (n_tensor_types,), enum ggml_type
    size_t                         n_tensor_types;
    const int32_t                 *prune_layers; // (n_prune_layers,)
    size_t                         n_prune_layers;
} puna_quantize_args;

uint32_t puna_model_quantize(const char *in, const char *out, puna_quantize_args *args, char **err);

#ifdef __cplusplus
}
#endif
