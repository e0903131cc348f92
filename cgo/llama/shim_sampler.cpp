#include "shim.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <stdexcept>

#include "guard.h"

struct llama_sampler *puna_sampler_init_grammar(const struct llama_vocab *vocab, const char *grammar, const char *root, bool lazy, const char **patterns, size_t n_patterns, const llama_token *tokens, size_t n_tokens, char **err) {
    return guard<llama_sampler *>(err, nullptr, nullptr, [&] {
        return lazy ? llama_sampler_init_grammar_lazy_patterns(vocab, grammar, root, patterns, n_patterns, tokens, n_tokens)
                    : llama_sampler_init_grammar(vocab, grammar, root);
    });
}

struct llama_sampler *puna_sampler_init_penalties(int32_t last_n, float repeat, float freq, float present, char **err) {
    return guard<llama_sampler *>(err, nullptr, [&] { return llama_sampler_init_penalties(last_n, repeat, freq, present); });
}

struct llama_sampler *puna_sampler_init_dry(const struct llama_vocab *vocab, int32_t n_ctx_train, float multiplier, float base, int32_t allowed_length, int32_t last_n, const char **breakers, size_t n_breakers, char **err) {
    return guard<llama_sampler *>(err, nullptr, [&] {
        return llama_sampler_init_dry(vocab, n_ctx_train, multiplier, base, allowed_length, last_n, breakers, n_breakers);
    });
}

struct llama_sampler *puna_sampler_clone(const struct llama_sampler *smpl, char **err) {
    return guard<llama_sampler *>(err, nullptr, [&] { return llama_sampler_clone(smpl); });
}

bool puna_sampler_reset(struct llama_sampler *smpl, char **err) {
    return guard<bool>(err, false, [&] { llama_sampler_reset(smpl); return true; });
}

// check_grammar throws when a grammar in smpl forbids token: accepting it would
// abort the process (end of generation) or leave the grammar without a state.
static void check_grammar(struct llama_sampler *smpl, llama_token token) {
    const char *name = llama_sampler_name(smpl);
    if (strcmp(name, "chain") == 0) {
        for (int i = 0; i < llama_sampler_chain_n(smpl); i++) {
            check_grammar(llama_sampler_chain_get(smpl, i), token);
        }
    } else if (strcmp(name, "grammar") == 0) {
        llama_token_data       one = {token, 0.0f, 0.0f};
        llama_token_data_array cur = {&one, 1, -1, false};
        llama_sampler_apply(smpl, &cur);
        if (std::isinf(one.logit)) {
            throw std::runtime_error("the grammar forbids the token");
        }
    }
}

bool puna_sampler_accept(struct llama_sampler *smpl, llama_token token, char **err) {
    return guard<bool>(err, false, [&] {
        check_grammar(smpl, token);
        llama_sampler_accept(smpl, token);
        return true;
    });
}

// A candidate that may be selected: samplers forbid a token by a logit of -inf.
static bool alive(const llama_token_data &d) { return d.logit > -INFINITY; }

// Neither NaN nor +inf, of which softmax makes NaN: sampling by NaN aborts.
static bool valid(float logit) { return logit <= FLT_MAX; }

// apply is llama_sampler_apply that throws where a sampler after it would abort.
static void apply(struct llama_sampler *smpl, llama_token_data_array *cur_p) {
    const char *name = llama_sampler_name(smpl);
    if (strcmp(name, "chain") == 0) {
        for (int i = 0; i < llama_sampler_chain_n(smpl); i++) {
            apply(llama_sampler_chain_get(smpl, i), cur_p);
        }
        return;
    }
    const llama_token_data *end = cur_p->data + cur_p->size;
    if (std::none_of((const llama_token_data *) cur_p->data, end, alive)) {
        throw std::runtime_error(std::string("no token is left for ") + name + ": every one was forbidden");
    }
    llama_sampler_apply(smpl, cur_p);
    if (strncmp(name, "temp", 4) == 0) { // a temperature near zero overflows
        end = cur_p->data + cur_p->size;
        if (!std::all_of((const llama_token_data *) cur_p->data, end, [](const llama_token_data &d) { return valid(d.logit); })) {
            throw std::runtime_error(std::string(name) + " made a logit that is not a number");
        }
    }
}

bool puna_sampler_apply(struct llama_sampler *smpl, llama_token_data_array *cur_p, char **err) {
    return guard<bool>(err, false, [&] { apply(smpl, cur_p); return true; });
}

llama_token puna_sampler_sample(struct llama_sampler *smpl, llama_token_data_array *cur_p, const float *logits, int32_t n, bool accept, char **err) {
    return guard<llama_token>(err, LLAMA_TOKEN_NULL, [&] {
        if (!puna_candidates_fill(cur_p, logits, n)) {
            throw std::runtime_error("the logits hold NaN or infinity");
        }
        apply(smpl, cur_p);
        if (cur_p->selected < 0 || cur_p->selected >= (int64_t) cur_p->size) {
            throw std::runtime_error("no token was selected: the chain must end with greedy, dist or mirostat");
        }
        llama_token token = cur_p->data[cur_p->selected].id;
        if (accept) {
            check_grammar(smpl, token);
            llama_sampler_accept(smpl, token);
        }
        return token;
    });
}

bool puna_candidates_fill(llama_token_data_array *cur_p, const float *logits, int32_t n) {
    llama_token_data *data = cur_p->data;
    bool              ok   = true;
    for (int32_t i = 0; i < n; i++) {
        data[i] = {i, logits[i], 0.0f};
        ok &= valid(logits[i]);
    }
    cur_p->size     = n;
    cur_p->selected = -1;
    cur_p->sorted   = false;
    return ok;
}

// before orders by logit descending, then by id, so that ties are decided the same
// way each time.
static bool before(const llama_token_data &a, const llama_token_data &b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// Four floats, and four masks (all bits set for true), by the extension of GCC and
// Clang: compilers don't vectorize this loop by themselves.
typedef float   float4 __attribute__((vector_size(16)));
typedef int32_t mask4 __attribute__((vector_size(16)));

static constexpr int32_t lanes = 16;

// block_max returns the highest of `lanes` logits, and clears ok for an invalid one.
static inline float block_max(const float *logits, bool &ok) {
    const float4 most = {FLT_MAX, FLT_MAX, FLT_MAX, FLT_MAX};
    float4       x[4];
    memcpy(x, logits, sizeof(x));
    mask4  good = (x[0] <= most) & (x[1] <= most) & (x[2] <= most) & (x[3] <= most);
    float4 a    = x[0] > x[1] ? x[0] : x[1];
    float4 b    = x[2] > x[3] ? x[2] : x[3];
    float4 top  = a > b ? a : b;
    ok &= (good[0] & good[1] & good[2] & good[3]) != 0;
    return std::max(std::max(top[0], top[1]), std::max(top[2], top[3]));
}

// A top_k keeps the best k candidates in a heap whose front is the worst of them.
struct top_k {
    llama_token_data *data;
    int32_t           k;
    int32_t           size = 0;

    bool wants(float logit) const { return size < k || logit > data[0].logit; }

    void add(llama_token id, float logit) {
        if (size == k) {
            std::pop_heap(data, data + size--, before);
        }
        data[size++] = {id, logit, 0.0f};
        std::push_heap(data, data + size, before);
    }
};

bool puna_candidates_top_k(llama_token_data_array *cur_p, const float *logits, int32_t n, int32_t k) {
    top_k   best = {cur_p->data, k};
    bool    ok   = true;
    int32_t i    = 0;
    for (; i + lanes <= n; i += lanes) {
        if (!best.wants(block_max(logits + i, ok))) {
            continue;
        }
        for (int32_t j = i; j < i + lanes; j++) {
            if (best.wants(logits[j])) {
                best.add(j, logits[j]);
            }
        }
    }
    for (; i < n; i++) {
        ok &= valid(logits[i]);
        if (best.wants(logits[i])) {
            best.add(i, logits[i]);
        }
    }
    std::sort_heap(best.data, best.data + best.size, before);
    cur_p->size     = best.size;
    cur_p->selected = -1;
    cur_p->sorted   = true;
    return ok;
}

llama_token puna_argmax(const float *logits, int32_t n) {
    llama_token at  = LLAMA_TOKEN_NULL;
    float       top = -INFINITY;
    bool        ok  = true;
    int32_t     i   = 0;
    for (; i + lanes <= n; i += lanes) {
        if (block_max(logits + i, ok) > top) {
            at  = (llama_token) (std::max_element(logits + i, logits + i + lanes) - logits);
            top = logits[at];
        }
    }
    for (; i < n; i++) {
        ok &= valid(logits[i]);
        if (logits[i] > top) {
            at  = i;
            top = logits[i];
        }
    }
    return ok ? at : LLAMA_TOKEN_NULL;
}
