// Private to the shim's sources: turns exceptions and logged errors into texts.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

// capture collects the errors that llama.cpp logs on this thread while it lives: the
// cause of a NULL is only ever logged.
struct capture {
    static thread_local capture *top;

    capture *prev;
    char     text[1024];
    size_t   len = 0;

    capture() : prev(top) { top = this; }
    ~capture() { top = prev; }

    void add(const char *s) {
        size_t n = std::min(strlen(s), sizeof(text) - 1 - len);
        memcpy(text + len, s, n);
        len += n;
    }

    const char *str() {
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' ')) {
            len--;
        }
        text[len] = 0;
        std::replace(text, text + len, '\n', ' ');
        return text;
    }
};

static inline void set_error(char **err, const char *text) {
    if (err && !*err) {
        *err = strdup(text);
    }
}

// guard returns f(), or failed after an exception, with its text in *err.
template <typename T, typename F> T guard(char **err, T failed, F f) {
    try {
        return f();
    } catch (const std::exception &e) {
        set_error(err, e.what());
    } catch (...) {
        set_error(err, "unknown C++ exception");
    }
    return failed;
}

// guard of a call that returns bad when it has logged the cause.
template <typename T, typename F> T guard(char **err, T failed, T bad, F f) {
    capture log;
    T       result = guard<T>(err, failed, f);
    if (result == bad) {
        set_error(err, log.str());
    }
    return result;
}

// guard_code guards llama_encode and llama_decode: negative codes have logged a cause.
template <typename F> int32_t guard_code(char **err, F f) {
    capture log;
    int32_t code = guard<int32_t>(err, PUNA_EXCEPTION, f);
    if (code < 0) {
        set_error(err, log.str());
    }
    return code;
}
