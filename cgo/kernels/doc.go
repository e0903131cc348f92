// Package kernels finds, proves and loads kernel modules: ggml backends compiled for
// the instructions of this CPU, or for a GPU, as shared libraries.
//
// The ggml that the go command compiles in is correct but portable: baseline x86-64
// without SIMD, 10 to 25 times slower than a current CPU can do. [Load] looks for
// modules in the folder that [Options] names, else in the program itself (build tag
// puna_embed_kernels), beside the executable, and in the user's cache, where
// "puna kernels build" puts them. It loads the best CPU variant that is proven, and
// every proven GPU backend. Without any, everything works on the baseline, and one
// warning names the command that makes it fast.
//
// # Proof
//
// A module can be wrong although it was built without a complaint: GCC 12, for
// example, drops stores that newer AMX code needs. So each module has to prove
// itself before it is used, in a child process that may die: small matrix products
// of every quantization type, in every layout that the module repacks weights to,
// and attention, norms and activations, against the baseline's result. The verdict is kept in <cache>/puna/verdicts.json
// by the module's content and the CPU. A library never runs its host program again:
// only a program that is Puna's own command line names itself in
// [Options].ProveWith; others use the verdicts that it left, or the baseline.
//
// # Repacked weights
//
// Some variants compute faster from another layout of the weights: AMX tiles, or
// interleaved rows (CPU_REPACK). [RepacksTo] tells which tensors that concerns. The
// price: a repacked tensor is a private copy, made when the model is loaded (about
// half a second for a 1B model in Q4_K_M). It isn't shared between processes, and
// the file's pages stay mapped beside it, so until the kernel drops them the weights
// are resident twice. Mapped weights that aren't repacked are shared by all
// processes. llama_model_params.use_extra_bufts switches it for a whole model.
//
// # Caveats
//
//   - [Load] works once per process; ggml can't take kernels back while models use
//     them. Modules stay loaded for the life of the process.
//   - A module brings its own copy of ggml's base library. Its logs go to
//     [ggml.SetLogger]'s logger too, and thread pools must come from it:
//     [NewThreadpool], never the linked ggml_threadpool_new.
//   - Modules are code: whoever can write to the folders can run code here.
//   - Embedded modules need Linux (memfd_create). Windows has no modules.
package kernels
