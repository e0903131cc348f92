#include "shim.h"

#include <stdexcept>

#include "guard.h"

// std::regex recurses once per character of a match, some 370 bytes each time, so a
// long word overflows a thread's stack and kills the process. What matches regular
// expressions over long texts therefore runs on a stack made for it.

#if defined(_WIN32)
static void on_stack(size_t, void (*f)(void *), void *arg) { f(arg); }
#else
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {
struct call {
    void (*f)(void *);
    void *arg;
};
} // namespace

static void *thread_main(void *p) {
    call *c = (call *) p;
    c->f(c->arg);
    return nullptr;
}

// on_stack runs f(arg), which doesn't throw, on a thread with a stack of size bytes.
// Pages that aren't touched cost nothing.
static void on_stack(size_t size, void (*f)(void *), void *arg) {
    const size_t page = (size_t) sysconf(_SC_PAGESIZE);
    size              = (size + page - 1) / page * page + page;

    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE;
#endif
    void *stack = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (stack == MAP_FAILED) {
        throw std::runtime_error("no memory for a stack of " + std::to_string(size) + " bytes");
    }
    mprotect(stack, page, PROT_NONE); // an overflow must not reach other memory

    call           c = {f, arg};
    pthread_attr_t attr;
    pthread_t      thread;
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, stack, size);
    int rc = pthread_create(&thread, &attr, thread_main, &c);
    pthread_attr_destroy(&attr);
    if (rc == 0) {
        pthread_join(thread, nullptr);
    }
    munmap(stack, size);
    if (rc != 0) {
        throw std::runtime_error(std::string("cannot start a thread: ") + strerror(rc));
    }
}
#endif

// deep calls f on a stack of size bytes, or where it is for 0.
template <typename F> static void deep(size_t size, F f) {
    if (size == 0) {
        f();
        return;
    }
    on_stack(size, [](void *p) { (*(F *) p)(); }, &f);
}

int32_t puna_tokenize(const struct llama_vocab *vocab, const char *text, int32_t text_len, llama_token *tokens, int32_t n_tokens_max, bool add_special, bool parse_special, size_t stack, char **err) {
    return guard<int32_t>(err, 0, [&] {
        int32_t n = 0;
        deep(stack, [&] {
            n = guard<int32_t>(err, 0, [&] { return llama_tokenize(vocab, text, text_len, tokens, n_tokens_max, add_special, parse_special); });
        });
        return n;
    });
}

bool puna_sampler_accept_deep(struct llama_sampler *smpl, llama_token token, size_t stack, char **err) {
    return guard<bool>(err, false, [&] {
        bool ok = false;
        deep(stack, [&] { ok = puna_sampler_accept(smpl, token, err); });
        return ok;
    });
}
