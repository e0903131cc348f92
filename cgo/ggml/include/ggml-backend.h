// What Puna uses of ggml-backend.h and ggml-alloc.h; see ggml.h beside it.
#pragma once

#include "ggml.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ggml_backend_buffer_type *ggml_backend_buffer_type_t;
typedef struct ggml_backend_buffer      *ggml_backend_buffer_t;
typedef struct ggml_backend             *ggml_backend_t;
typedef struct ggml_backend_reg         *ggml_backend_reg_t;
typedef struct ggml_backend_device      *ggml_backend_dev_t;

// Buffer types and buffers.
const char           *ggml_backend_buft_name(ggml_backend_buffer_type_t buft);
size_t                ggml_backend_buft_get_alignment(ggml_backend_buffer_type_t buft);
size_t                ggml_backend_buft_get_max_size(ggml_backend_buffer_type_t buft);
bool                  ggml_backend_buft_is_host(ggml_backend_buffer_type_t buft);
ggml_backend_dev_t    ggml_backend_buft_get_device(ggml_backend_buffer_type_t buft);
ggml_backend_buffer_t ggml_backend_buft_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size);
size_t                ggml_backend_buft_get_alloc_size(ggml_backend_buffer_type_t buft, const struct ggml_tensor *tensor);

void           ggml_backend_buffer_free(ggml_backend_buffer_t buffer);

enum ggml_backend_buffer_usage {
    GGML_BACKEND_BUFFER_USAGE_ANY     = 0,
    GGML_BACKEND_BUFFER_USAGE_WEIGHTS = 1,
    GGML_BACKEND_BUFFER_USAGE_COMPUTE = 2,
};

void ggml_backend_buffer_set_usage(ggml_backend_buffer_t buffer, enum ggml_backend_buffer_usage usage);

ggml_backend_buffer_t ggml_backend_alloc_ctx_tensors_from_buft(struct ggml_context *ctx, ggml_backend_buffer_type_t buft);

// Backends (streams).
void             ggml_backend_free(ggml_backend_t backend);
void             ggml_backend_tensor_set(struct ggml_tensor *tensor, const void *data, size_t offset, size_t size);
void             ggml_backend_tensor_get(const struct ggml_tensor *tensor, void *data, size_t offset, size_t size);
enum ggml_status ggml_backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph *cgraph);

// Devices.
enum ggml_backend_dev_type {
    GGML_BACKEND_DEVICE_TYPE_CPU,
    GGML_BACKEND_DEVICE_TYPE_GPU,
    GGML_BACKEND_DEVICE_TYPE_IGPU,
    GGML_BACKEND_DEVICE_TYPE_ACCEL,
};

struct ggml_backend_dev_caps {
    bool async;
    bool host_buffer;
    bool buffer_from_host_ptr;
    bool events;
};

struct ggml_backend_dev_props {
    const char                  *name;
    const char                  *description;
    size_t                       memory_free;
    const char                  *id;
    size_t                       memory_total;
    enum ggml_backend_dev_type   type;
    const char                  *device_id;
    struct ggml_backend_dev_caps caps;
    int                          driver_major;
    int                          driver_minor;
    int                          compute_major;
    int                          compute_minor;
    int                          integrated;
    const char                  *library;
};

const char                *ggml_backend_dev_name(ggml_backend_dev_t device);
const char                *ggml_backend_dev_description(ggml_backend_dev_t device);
void                       ggml_backend_dev_memory(ggml_backend_dev_t device, size_t *free, size_t *total);
enum ggml_backend_dev_type ggml_backend_dev_type(ggml_backend_dev_t device);
void                       ggml_backend_dev_get_props(ggml_backend_dev_t device, struct ggml_backend_dev_props *props);
ggml_backend_reg_t         ggml_backend_dev_backend_reg(ggml_backend_dev_t device);
ggml_backend_t             ggml_backend_dev_init(ggml_backend_dev_t device, const char *params);
ggml_backend_buffer_type_t ggml_backend_dev_buffer_type(ggml_backend_dev_t device);
ggml_backend_buffer_type_t ggml_backend_dev_host_buffer_type(ggml_backend_dev_t device);
bool                       ggml_backend_dev_supports_op(ggml_backend_dev_t device, const struct ggml_tensor *op);

// Registries.
const char        *ggml_backend_reg_name(ggml_backend_reg_t reg);
size_t             ggml_backend_reg_dev_count(ggml_backend_reg_t reg);
ggml_backend_dev_t ggml_backend_reg_dev_get(ggml_backend_reg_t reg, size_t index);
void              *ggml_backend_reg_get_proc_address(ggml_backend_reg_t reg, const char *name);

// Types of the functions that ggml_backend_reg_get_proc_address returns.
typedef void (*ggml_backend_set_n_threads_t)(ggml_backend_t backend, int n_threads);
typedef ggml_backend_buffer_type_t *(*ggml_backend_dev_get_extra_bufts_t)(ggml_backend_dev_t device);
struct ggml_backend_feature {
    const char *name;
    const char *value;
};
typedef struct ggml_backend_feature *(*ggml_backend_get_features_t)(ggml_backend_reg_t reg);

void               ggml_backend_register(ggml_backend_reg_t reg);
size_t             ggml_backend_reg_count(void);
ggml_backend_reg_t ggml_backend_reg_get(size_t index);
size_t             ggml_backend_dev_count(void);
ggml_backend_dev_t ggml_backend_dev_get(size_t index);
ggml_backend_dev_t ggml_backend_dev_by_name(const char *name);
ggml_backend_dev_t ggml_backend_dev_by_type(enum ggml_backend_dev_type type);
ggml_backend_reg_t ggml_backend_load(const char *path);
void               ggml_backend_unload(ggml_backend_reg_t reg);
void               ggml_backend_load_all(void);

#ifdef __cplusplus
}
#endif
