#define _GNU_SOURCE
#include "shim.h"

#include <string.h>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

// Linked in the default build, absent where the CPU backend is a module.
__attribute__((weak)) void ggml_threadpool_pause(struct ggml_threadpool *);
__attribute__((weak)) void ggml_threadpool_resume(struct ggml_threadpool *);
__attribute__((weak)) struct ggml_threadpool *ggml_threadpool_new(struct ggml_threadpool_params *);

// ggml_backend_reg_get_proc_address has no pause and resume: look them up in the
// object that fn comes from. Pools of different copies must not be mixed.
static void *sibling(void *fn, const char *name, void *linked) {
    if (ggml_threadpool_new != NULL && fn == (void *) ggml_threadpool_new) {
        return linked;
    }
#if !defined(_WIN32)
    Dl_info info;
    if (dladdr(fn, &info) == 0 || info.dli_fname == NULL) {
        return NULL;
    }
    void *lib = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    if (lib == NULL) {
        return NULL;
    }
    void *sym = dlsym(lib, name);
    dlclose(lib); // the backend keeps its own reference
    return sym;
#else
    return NULL;
#endif
}

bool puna_ggml_threadpool_find(ggml_backend_reg_t reg, struct puna_ggml_threadpool_fns *fns) {
    void *create = ggml_backend_reg_get_proc_address(reg, "ggml_threadpool_new");
    void *destroy = ggml_backend_reg_get_proc_address(reg, "ggml_threadpool_free");
    if (create == NULL || destroy == NULL) {
        return false;
    }
    fns->create = (struct ggml_threadpool *(*)(struct ggml_threadpool_params *)) create;
    fns->destroy = (void (*)(struct ggml_threadpool *)) destroy;
    fns->pause = (void (*)(struct ggml_threadpool *))
        sibling(create, "ggml_threadpool_pause", (void *) ggml_threadpool_pause);
    fns->resume = (void (*)(struct ggml_threadpool *))
        sibling(create, "ggml_threadpool_resume", (void *) ggml_threadpool_resume);
    return true;
}

struct ggml_threadpool *puna_ggml_threadpool_new(const struct puna_ggml_threadpool_fns *fns, struct ggml_threadpool_params *params) {
    return fns->create(params);
}

void puna_ggml_threadpool_free(const struct puna_ggml_threadpool_fns *fns, struct ggml_threadpool *pool) {
    fns->destroy(pool);
}

bool puna_ggml_threadpool_pause(const struct puna_ggml_threadpool_fns *fns, struct ggml_threadpool *pool) {
    if (fns->pause == NULL) {
        return false;
    }
    fns->pause(pool);
    return true;
}

bool puna_ggml_threadpool_resume(const struct puna_ggml_threadpool_fns *fns, struct ggml_threadpool *pool) {
    if (fns->resume == NULL) {
        return false;
    }
    fns->resume(pool);
    return true;
}

void *puna_ggml_open(const char *path, char **cause) {
#if !defined(_WIN32)
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *reason = lib == NULL ? dlerror() : NULL;
#else
    void *lib = NULL;
    const char *reason = "modules aren't supported on Windows";
#endif
    if (lib == NULL) {
        *cause = strdup(reason != NULL ? reason : "unknown reason");
    }
    return lib;
}

void *puna_ggml_symbol(void *lib, const char *name) {
#if !defined(_WIN32)
    return dlsym(lib, name);
#else
    return NULL;
#endif
}

int puna_ggml_score(void *fn) {
    return ((int (*)(void)) fn)();
}

void puna_ggml_set_log(void *fn, void *callback, uintptr_t source) {
    ((void (*)(ggml_log_callback, void *)) fn)((ggml_log_callback) callback, (void *) source);
}

void puna_ggml_set_abort(void *fn, void *callback) {
    ((ggml_abort_callback_t (*)(ggml_abort_callback_t)) fn)((ggml_abort_callback_t) callback);
}

void puna_ggml_set_n_threads(void *fn, ggml_backend_t backend, int n) {
    ((ggml_backend_set_n_threads_t) fn)(backend, n);
}
