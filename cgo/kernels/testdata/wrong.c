// A module that works like the CPU backend REAL, but for one number of each result.
#include <dlfcn.h>
#include <stddef.h>

#include "ggml-backend-impl.h"

static struct ggml_backend_reg    reg;
static struct ggml_backend_device dev;
static ggml_backend_dev_t         real_dev;
static enum ggml_status (*real_compute)(ggml_backend_t, struct ggml_cgraph *, int);

static enum ggml_status compute(ggml_backend_t backend, struct ggml_cgraph *graph, int batch) {
    enum ggml_status status = real_compute(backend, graph, batch);
    struct ggml_tensor *result = ggml_graph_node(graph, -1);
    float *last = (float *) ((char *) result->data + ggml_nbytes(result)) - 1;
    *last = -*last;
    return status;
}

static ggml_backend_t init_backend(ggml_backend_dev_t d, const char *params) {
    ggml_backend_t backend = real_dev->iface.init_backend(real_dev, params);
    real_compute = backend->iface.graph_compute;
    backend->iface.graph_compute = compute;
    return backend;
}

static ggml_backend_dev_t get_device(ggml_backend_reg_t r, size_t i) { return &dev; }

int ggml_backend_score(void) { return 1 << 20; }

ggml_backend_reg_t ggml_backend_init(void) {
    void *lib = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
    ggml_backend_reg_t real = ((ggml_backend_init_t) dlsym(lib, "ggml_backend_init"))();
    real_dev = ggml_backend_reg_dev_get(real, 0);
    reg = *real;
    reg.iface.get_device = get_device;
    dev = *real_dev;
    dev.reg = &reg;
    dev.iface.init_backend = init_backend;
    return &reg;
}
