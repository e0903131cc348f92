// reference: llama.cpp's own loop, one sequence at a time, as the yardstick of
// correctness and speed. It follows llama.cpp's examples/simple: decode the
// prompt, take the likeliest token, decode it, and so on.
//
// usage: reference MODEL MODULE THREADS N_CTX N_UBATCH REPACK
//   MODEL   a GGUF file
//   MODULE  the CPU kernels to load (libggml-cpu-*.so), so that both sides run the
//           same; - for the baseline
//   REPACK  1: let kernels copy weights into their own layout
// Each line of standard input is a job: the number of tokens to generate, then
// the tokens of the prompt. For each it prints a line: microseconds for the
// prompt, microseconds for the other tokens, then the generated tokens.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "llama.h"

static void die(const char * what, const char * value) {
    fprintf(stderr, "reference: %s: %s\n", what, value);
    exit(1);
}

static void only_errors(enum ggml_log_level level, const char * text, void * data) {
    (void) data;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static llama_token likeliest(const float * logits, int n) {
    int best = 0;
    for (int i = 1; i < n; i++) {
        if (logits[i] > logits[best]) best = i;
    }
    return best;
}

// decode computes tokens in batches of at most n_batch.
static void decode(struct llama_context * ctx, llama_token * tokens, int n) {
    int n_batch = (int) llama_n_batch(ctx);
    for (int i = 0; i < n; i += n_batch) {
        int m = n - i < n_batch ? n - i : n_batch;
        if (llama_decode(ctx, llama_batch_get_one(tokens + i, m)) != 0) die("llama_decode failed at token", "");
    }
}

static void run(struct llama_context * ctx, llama_token * prompt, int n_prompt, int n_gen) {
    int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(ctx)));
    llama_token * out = malloc(sizeof(llama_token) * (n_gen + 1));
    llama_memory_clear(llama_get_memory(ctx), true);
    int64_t t0 = llama_time_us();
    decode(ctx, prompt, n_prompt);
    out[0] = likeliest(llama_get_logits_ith(ctx, -1), n_vocab);
    int64_t t1 = llama_time_us();
    for (int i = 1; i < n_gen; i++) {
        decode(ctx, &out[i - 1], 1);
        out[i] = likeliest(llama_get_logits_ith(ctx, -1), n_vocab);
    }
    printf("%" PRId64 " %" PRId64, t1 - t0, llama_time_us() - t1);
    for (int i = 0; i < n_gen; i++) printf(" %d", out[i]);
    printf("\n");
    fflush(stdout);
    free(out);
}

// run_line parses one job and runs it.
static void run_line(struct llama_context * ctx, char * line) {
    int cap = (int) llama_n_ctx(ctx), n = 0;
    llama_token * prompt = malloc(sizeof(llama_token) * cap);
    char * word = strtok(line, " \n");
    if (!word) die("an empty line", "");
    int n_gen = atoi(word);
    while ((word = strtok(NULL, " \n"))) {
        if (n == cap) die("the prompt is longer than N_CTX", "");
        prompt[n++] = atoi(word);
    }
    if (n_gen < 1 || n < 1 || n + n_gen > cap) die("a job must fit N_CTX", "");
    run(ctx, prompt, n, n_gen);
    free(prompt);
}

int main(int argc, char ** argv) {
    if (argc != 7) die("usage", "reference MODEL MODULE THREADS N_CTX N_UBATCH REPACK");
    int threads = atoi(argv[3]);
    llama_log_set(only_errors, NULL);
    ggml_backend_reg_t reg = strcmp(argv[2], "-") == 0 ? ggml_backend_reg_by_name("CPU") : ggml_backend_load(argv[2]);
    if (!reg) die("can't load kernels", argv[2]);

    struct llama_model_params mp = llama_model_default_params();
    mp.use_extra_bufts = atoi(argv[6]) != 0;
    struct llama_model * model = llama_model_load_from_file(argv[1], mp);
    if (!model) die("can't load model", argv[1]);

    struct llama_context_params cp = llama_context_default_params();
    cp.n_ctx = (uint32_t) atoi(argv[4]);
    cp.n_batch = cp.n_ubatch = (uint32_t) atoi(argv[5]);
    cp.n_threads = cp.n_threads_batch = threads;
    struct llama_context * ctx = llama_init_from_model(model, cp);
    if (!ctx) die("can't make a context", argv[4]);

    struct ggml_threadpool_params tp = ggml_threadpool_params_default(threads);
    struct ggml_threadpool * (*new_pool)(struct ggml_threadpool_params *) =
        (struct ggml_threadpool * (*)(struct ggml_threadpool_params *)) ggml_backend_reg_get_proc_address(reg, "ggml_threadpool_new");
    if (!new_pool) die("the kernels have no thread pool", argv[2]);
    struct ggml_threadpool * pool = new_pool(&tp);
    llama_attach_threadpool(ctx, pool, pool);

    char * line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) run_line(ctx, line);
    free(line);
    fflush(stdout);
    _Exit(0); // the process ends: nothing to free
}
