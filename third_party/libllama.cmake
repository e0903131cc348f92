# libllama with ggml's baseline CPU backend linked into libggml, as cgo builds
# them: kernel modules are loaded beside it in the same way.
set(GGML_BACKEND_DL OFF)
set(GGML_NATIVE OFF)

add_subdirectory(${GGML_SRC} ggml)
foreach (target ggml-base ggml-cpu)
    target_include_directories(${target} PRIVATE ${GGML_INCLUDE_DIRS})
endforeach()

file(GLOB LLAMA_SOURCES CONFIGURE_DEPENDS ${LLAMA_DIR}/src/*.cpp ${LLAMA_DIR}/src/models/*.cpp)
add_library(llama SHARED ${LLAMA_SOURCES})
target_include_directories(llama PUBLIC ${LLAMA_DIR}/include PRIVATE ${LLAMA_DIR}/src)
target_compile_definitions(llama PRIVATE LLAMA_BUILD LLAMA_SHARED)
target_link_libraries(llama PUBLIC ggml)
set_target_properties(llama PROPERTIES SOVERSION ${LLAMA_COMMIT})

install(TARGETS llama ggml ggml-base LIBRARY)
install(DIRECTORY ${LLAMA_DIR}/include/ ${GGML_SRC}/../include/
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
configure_file(llama.pc.in ${CMAKE_BINARY_DIR}/llama.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/llama.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
