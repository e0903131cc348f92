// Calls through function pointers of a backend, which cgo can't make itself.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <ggml-cpu.h>

struct puna_ggml_threadpool_fns {
    struct ggml_threadpool *(*create)(struct ggml_threadpool_params *);
    void (*destroy)(struct ggml_threadpool *);
    void (*pause)(struct ggml_threadpool *);  // NULL where not offered
    void (*resume)(struct ggml_threadpool *); // NULL where not offered
};

// Fills fns with the functions of one backend; false if it makes no pools.
bool puna_ggml_threadpool_find(ggml_backend_reg_t reg, struct puna_ggml_threadpool_fns *fns);

struct ggml_threadpool *puna_ggml_threadpool_new(const struct puna_ggml_threadpool_fns *fns, struct ggml_threadpool_params *params);
void puna_ggml_threadpool_free(const struct puna_ggml_threadpool_fns *fns, struct ggml_threadpool *pool);
bool puna_ggml_threadpool_pause(const struct puna_ggml_threadpool_fns *fns, struct ggml_threadpool *pool);
bool puna_ggml_threadpool_resume(const struct puna_ggml_threadpool_fns *fns, struct ggml_threadpool *pool);

// dlopen and dlsym. On failure *cause is a copy of the reason, which the caller frees.
void *puna_ggml_open(const char *path, char **cause);
void *puna_ggml_symbol(void *lib, const char *name);

int  puna_ggml_score(void *fn);
void puna_ggml_set_log(void *fn, void *callback, uintptr_t source);
void puna_ggml_set_abort(void *fn, void *callback);
void puna_ggml_set_n_threads(void *fn, ggml_backend_t backend, int n);
