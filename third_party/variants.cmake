# Variants that the pinned module's list leaves out although its sources have
# them. Names and features are upstream llama.cpp's (ggml/src/CMakeLists.txt).
get_directory_property(GGML_DEFINITIONS DIRECTORY ${GGML_SRC} COMPILE_DEFINITIONS)
set_directory_properties(PROPERTIES COMPILE_DEFINITIONS "${GGML_DEFINITIONS}")

ggml_get_system_arch()
if (GGML_SYSTEM_ARCH STREQUAL "x86")
    # AMD Zen 4 and 5, and Intel's server CPUs where AMX is switched off:
    # AVX512_BF16 serves weights in BF16.
    ggml_add_cpu_backend_variant(zen4           SSE42 AVX F16C AVX2 BMI2 FMA AVX512 AVX512_VBMI AVX512_VNNI AVX512_BF16)
    # AMX tiles. AVX_VNNI is left out: where AVX512_VNNI is on, the sources never look at it.
    ggml_add_cpu_backend_variant(sapphirerapids SSE42 AVX F16C AVX2 BMI2 FMA AVX512 AVX512_VBMI AVX512_VNNI AVX512_BF16 AMX_TILE AMX_INT8)
endif()
