#include "shim.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "guard.h"

// Mirrors struct tensor_quantization of llama-quant.cpp, which llama.h hides behind
// the void pointer tensor_types.
struct tensor_quantization {
    std::string name;
    ggml_type   quant = GGML_TYPE_COUNT;
};

uint32_t puna_model_quantize(const char *in, const char *out, puna_quantize_args *args, char **err) {
    return guard<uint32_t>(err, 1, 1, [&] {
        llama_model_quantize_params params = args->params;

        std::unordered_map<std::string, std::vector<float>> imatrix;
        for (size_t i = 0; i < args->n_imatrix; i++) {
            const float *data = args->imatrix_data[i];
            imatrix[args->imatrix_names[i]].assign(data, data + args->imatrix_sizes[i]);
        }
        std::vector<llama_model_kv_override> overrides(args->kv_overrides, args->kv_overrides + args->n_kv_overrides);
        overrides.push_back({}); // the end is an empty key
        std::vector<tensor_quantization> types;
        for (size_t i = 0; i < args->n_tensor_types; i++) {
            types.push_back({args->tensor_patterns[i], (ggml_type) args->tensor_types[i]});
        }
        std::vector<int> prune(args->prune_layers, args->prune_layers + args->n_prune_layers);

        params.imatrix      = imatrix.empty() ? nullptr : &imatrix;
        params.kv_overrides = args->n_kv_overrides == 0 ? nullptr : &overrides;
        params.tensor_types = types.empty() ? nullptr : &types;
        params.prune_layers = prune.empty() ? nullptr : &prune;
        return llama_model_quantize(in, out, &params);
    });
}
