// What Puna uses of ggml-cpu.h; see ggml.h beside it. The functions live in each
// CPU backend, so Puna calls them through pointers that the backend in use
// returns; only the default build has linked ones, and only as its baseline.
#pragma once

#include "ggml.h"
#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ggml_threadpool *ggml_threadpool_new(struct ggml_threadpool_params *params);
void                    ggml_threadpool_free(struct ggml_threadpool *threadpool);
int                     ggml_threadpool_get_n_threads(struct ggml_threadpool *threadpool);
void                    ggml_threadpool_pause(struct ggml_threadpool *threadpool);
void                    ggml_threadpool_resume(struct ggml_threadpool *threadpool);

#ifdef __cplusplus
}
#endif
