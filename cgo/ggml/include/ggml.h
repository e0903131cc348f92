// What Puna uses of ggml.h, declared by hand: pinned llama.cpp ec98e2002 as in
// github.com/ollama/ollama v0.24.0. assert_test.go compiles these declarations
// against the real header, so a drift is a failed test.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GGML_MAX_DIMS      4
#define GGML_MAX_N_THREADS 512

#ifdef __cplusplus
extern "C" {
#endif

struct ggml_context;
struct ggml_cgraph;
struct ggml_tensor;

typedef uint16_t ggml_fp16_t;
typedef void (*ggml_abort_callback_t)(const char *error_message);
ggml_abort_callback_t ggml_set_abort_callback(ggml_abort_callback_t callback);

enum ggml_status {
    GGML_STATUS_ALLOC_FAILED = -2,
    GGML_STATUS_FAILED       = -1,
    GGML_STATUS_SUCCESS      = 0,
    GGML_STATUS_ABORTED      = 1,
};

const char *ggml_status_to_string(enum ggml_status status);

enum ggml_type {
    GGML_TYPE_F32     = 0,
    GGML_TYPE_F16     = 1,
    GGML_TYPE_Q4_0    = 2,
    GGML_TYPE_Q4_1    = 3,
    GGML_TYPE_Q5_0    = 6,
    GGML_TYPE_Q5_1    = 7,
    GGML_TYPE_Q8_0    = 8,
    GGML_TYPE_Q8_1    = 9,
    GGML_TYPE_Q2_K    = 10,
    GGML_TYPE_Q3_K    = 11,
    GGML_TYPE_Q4_K    = 12,
    GGML_TYPE_Q5_K    = 13,
    GGML_TYPE_Q6_K    = 14,
    GGML_TYPE_Q8_K    = 15,
    GGML_TYPE_IQ2_XXS = 16,
    GGML_TYPE_IQ2_XS  = 17,
    GGML_TYPE_IQ3_XXS = 18,
    GGML_TYPE_IQ1_S   = 19,
    GGML_TYPE_IQ4_NL  = 20,
    GGML_TYPE_IQ3_S   = 21,
    GGML_TYPE_IQ2_S   = 22,
    GGML_TYPE_IQ4_XS  = 23,
    GGML_TYPE_I8      = 24,
    GGML_TYPE_I16     = 25,
    GGML_TYPE_I32     = 26,
    GGML_TYPE_I64     = 27,
    GGML_TYPE_F64     = 28,
    GGML_TYPE_IQ1_M   = 29,
    GGML_TYPE_BF16    = 30,
    GGML_TYPE_TQ1_0   = 34,
    GGML_TYPE_TQ2_0   = 35,
    GGML_TYPE_MXFP4   = 39,
    GGML_TYPE_COUNT   = 40,
};

enum ggml_log_level {
    GGML_LOG_LEVEL_NONE  = 0,
    GGML_LOG_LEVEL_DEBUG = 1,
    GGML_LOG_LEVEL_INFO  = 2,
    GGML_LOG_LEVEL_WARN  = 3,
    GGML_LOG_LEVEL_ERROR = 4,
    GGML_LOG_LEVEL_CONT  = 5,
};

struct ggml_init_params {
    size_t mem_size;
    void  *mem_buffer;
    bool   no_alloc;
};

typedef bool (*ggml_abort_callback)(void *data);

const char *ggml_version(void);
const char *ggml_commit(void);

size_t      ggml_nbytes(const struct ggml_tensor *tensor);
int64_t     ggml_blck_size(enum ggml_type type);
size_t      ggml_type_size(enum ggml_type type);
size_t      ggml_row_size(enum ggml_type type, int64_t ne);
const char *ggml_type_name(enum ggml_type type);
bool        ggml_is_quantized(enum ggml_type type);
size_t      ggml_tensor_overhead(void);

struct ggml_context *ggml_init(struct ggml_init_params params);
void                 ggml_free(struct ggml_context *ctx);
struct ggml_tensor  *ggml_new_tensor_2d(struct ggml_context *ctx, enum ggml_type type, int64_t ne0, int64_t ne1);
struct ggml_tensor  *ggml_gelu(struct ggml_context *ctx, struct ggml_tensor *a);
struct ggml_tensor  *ggml_silu(struct ggml_context *ctx, struct ggml_tensor *a);
struct ggml_tensor  *ggml_rms_norm(struct ggml_context *ctx, struct ggml_tensor *a, float eps);
struct ggml_tensor  *ggml_mul_mat(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);
struct ggml_tensor  *ggml_soft_max(struct ggml_context *ctx, struct ggml_tensor *a);
struct ggml_tensor  *ggml_flash_attn_ext(struct ggml_context *ctx, struct ggml_tensor *q, struct ggml_tensor *k,
                                         struct ggml_tensor *v, struct ggml_tensor *mask, float scale,
                                         float max_bias, float logit_softcap);
void                 ggml_build_forward_expand(struct ggml_cgraph *cgraph, struct ggml_tensor *tensor);
struct ggml_cgraph  *ggml_new_graph(struct ggml_context *ctx);
size_t               ggml_graph_overhead(void);

typedef void (*ggml_log_callback)(enum ggml_log_level level, const char *text, void *user_data);
void ggml_log_set(ggml_log_callback log_callback, void *user_data);

bool   ggml_quantize_requires_imatrix(enum ggml_type type);
size_t ggml_quantize_chunk(enum ggml_type type, const float *src, void *dst, int64_t start,
                           int64_t nrows, int64_t n_per_row, const float *imatrix);

enum ggml_sched_priority {
    GGML_SCHED_PRIO_LOW = -1,
    GGML_SCHED_PRIO_NORMAL,
    GGML_SCHED_PRIO_MEDIUM,
    GGML_SCHED_PRIO_HIGH,
    GGML_SCHED_PRIO_REALTIME,
};

struct ggml_threadpool_params {
    bool                     cpumask[GGML_MAX_N_THREADS];
    int                      n_threads;
    enum ggml_sched_priority prio;
    uint32_t                 poll;
    bool                     strict_cpu;
    bool                     paused;
};

struct ggml_threadpool;
typedef struct ggml_threadpool *ggml_threadpool_t;

void ggml_threadpool_params_init(struct ggml_threadpool_params *p, int n_threads);

#ifdef __cplusplus
}
#endif
