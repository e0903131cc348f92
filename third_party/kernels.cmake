# Every ggml CPU variant as a module of its own, ours included, and libggml-base.
#
# Upstream's list defines its variants; ours are added by upstream's own
# function, so that flags, sources and feature checks stay upstream's.
set(GGML_BACKEND_DL ON)
set(GGML_CPU_ALL_VARIANTS ON)

if (PUNA_CUDA)
    enable_language(CUDA) # before ggml looks for the toolkit: found by its compiler, wherever it lies
    set(GGML_CUDA ON)
    set(GGML_CUDA_GRAPHS ON)
    set(GGML_CUDA_FA ON)
    set(GGML_CUDA_PEER_MAX_BATCH_SIZE 128)
    set(GGML_CUDA_COMPRESSION_MODE size)
endif()

# One file must run on machines without this compiler's libraries: they are
# linked in, hidden, with what nobody calls left out.
add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-ffunction-sections>
                    $<$<COMPILE_LANGUAGE:C,CXX>:-fdata-sections>)
add_link_options(-static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL -Wl,--gc-sections -s)

add_subdirectory(${GGML_SRC} ggml)
target_include_directories(ggml-base PRIVATE ${GGML_INCLUDE_DIRS})

# ggml_add_cpu_backend_variant names its sources relative to the calling
# folder: call it from a folder of links that looks like ggml's.
set(OVERLAY ${CMAKE_BINARY_DIR}/overlay)
file(MAKE_DIRECTORY ${OVERLAY}/src)
file(GLOB ENTRIES ${GGML_SRC}/*)
list(FILTER ENTRIES EXCLUDE REGEX "/CMakeLists.txt$")
foreach (entry ${ENTRIES})
    get_filename_component(name ${entry} NAME)
    file(CREATE_LINK ${entry} ${OVERLAY}/src/${name} SYMBOLIC)
endforeach()
file(CREATE_LINK ${GGML_SRC}/../include ${OVERLAY}/include SYMBOLIC)
configure_file(variants.cmake ${OVERLAY}/src/CMakeLists.txt COPYONLY)
add_subdirectory(${OVERLAY}/src variants)

get_target_property(CPU_VARIANTS ggml-cpu MANUALLY_ADDED_DEPENDENCIES)
foreach (variant ${CPU_VARIANTS})
    target_include_directories(${variant} PRIVATE ${GGML_INCLUDE_DIRS})
endforeach()
if (PUNA_CUDA)
    target_include_directories(ggml-cuda PRIVATE ${GGML_INCLUDE_DIRS})
endif()
# A module has no versions: its file is found by its name.
foreach (module ${CPU_VARIANTS})
    set_target_properties(${module} PROPERTIES VERSION "" SOVERSION "")
endforeach()
