#include "shim.h"

#include "guard.h"

static ggml_log_callback log_sink = nullptr;
thread_local capture    *capture::top = nullptr;

static void log_callback(enum ggml_log_level level, const char *text, void *user_data) {
    static thread_local bool error = false;
    if (level != GGML_LOG_LEVEL_CONT) {
        error = level == GGML_LOG_LEVEL_ERROR;
    }
    if (error && capture::top) {
        capture::top->add(text);
    }
    if (log_sink) {
        log_sink(level, text, user_data);
    }
}

void puna_log_init(void *sink) {
    log_sink = (ggml_log_callback) sink;
    llama_log_set(log_callback, nullptr);
}

bool puna_abort_callback(void *flag) { return __atomic_load_n((int *) flag, __ATOMIC_RELAXED) != 0; }
void puna_abort_flag_set(int *flag, int value) { __atomic_store_n(flag, value, __ATOMIC_RELAXED); }
int  puna_abort_flag_get(int *flag) { return __atomic_load_n(flag, __ATOMIC_RELAXED); }

// Implemented in Go: reports progress to the cgo.Handle, false cancels.
extern "C" bool punaProgress(float progress, uintptr_t handle);

static bool progress_callback(float progress, void *user_data) {
    return punaProgress(progress, *(uintptr_t *) user_data);
}

struct llama_model *puna_model_load(const char **paths, size_t n_paths, struct llama_model_params *params, uintptr_t progress, char **err) {
    if (progress) {
        params->progress_callback           = progress_callback;
        params->progress_callback_user_data = &progress;
    }
    return guard<llama_model *>(err, nullptr, nullptr, [&] {
        return n_paths == 1 ? llama_model_load_from_file(paths[0], *params)
                            : llama_model_load_from_splits(paths, n_paths, *params);
    });
}

struct llama_context *puna_context_init(struct llama_model *model, struct llama_context_params *params, int *abort_flag, char **err) {
    params->abort_callback      = puna_abort_callback;
    params->abort_callback_data = abort_flag;
    return guard<llama_context *>(err, nullptr, nullptr, [&] { return llama_init_from_model(model, *params); });
}

struct llama_adapter_lora *puna_adapter_lora_init(struct llama_model *model, const char *path, char **err) {
    return guard<llama_adapter_lora *>(err, nullptr, nullptr, [&] { return llama_adapter_lora_init(model, path); });
}

int32_t puna_apply_adapter_cvec(struct llama_context *ctx, const float *data, size_t len, int32_t n_embd, int32_t il_start, int32_t il_end, char **err) {
    return guard<int32_t>(err, PUNA_EXCEPTION, [&] { return llama_apply_adapter_cvec(ctx, data, len, n_embd, il_start, il_end); });
}

int32_t puna_token_to_piece(const struct llama_vocab *vocab, llama_token token, char *buf, int32_t length, int32_t lstrip, bool special) {
    return guard<int32_t>(nullptr, 0, [&] { return llama_token_to_piece(vocab, token, buf, length, lstrip, special); });
}

int32_t puna_detokenize(const struct llama_vocab *vocab, const llama_token *tokens, int32_t n_tokens, char *text, int32_t text_len_max, bool remove_special, bool unparse_special, char **err) {
    return guard<int32_t>(err, 0, [&] { return llama_detokenize(vocab, tokens, n_tokens, text, text_len_max, remove_special, unparse_special); });
}

int32_t puna_encode(struct llama_context *ctx, struct llama_batch batch, char **err) {
    return guard_code(err, [&] { return llama_encode(ctx, batch); });
}

int32_t puna_decode(struct llama_context *ctx, struct llama_batch batch, char **err) {
    return guard_code(err, [&] { return llama_decode(ctx, batch); });
}

bool puna_memory_clear(llama_memory_t mem, bool data, char **err) {
    return guard<bool>(err, false, [&] { llama_memory_clear(mem, data); return true; });
}

int puna_memory_seq_rm(llama_memory_t mem, llama_seq_id seq_id, llama_pos p0, llama_pos p1, char **err) {
    return guard<int>(err, -1, [&] { return llama_memory_seq_rm(mem, seq_id, p0, p1) ? 1 : 0; });
}

bool puna_memory_seq_cp(llama_memory_t mem, llama_seq_id src, llama_seq_id dst, llama_pos p0, llama_pos p1, char **err) {
    return guard<bool>(err, false, [&] { llama_memory_seq_cp(mem, src, dst, p0, p1); return true; });
}
