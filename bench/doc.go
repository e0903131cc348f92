// Command bench measures Puna against llama.cpp's own loop (package reference),
// in one run and in turns, so that the noise of a machine hits both alike. It
// prints the table of the README; `make bench` runs it.
//
// With the argument peer it measures `puna serve` against llama.cpp's llama-server
// instead (package peer), as clients of both. Other arguments measure one thing each,
// without the reference: see the README.
//
// Models are synthetic, in the shapes of real ones (internal/testmodel), and are
// made and quantized by the first run. Figures are medians.
//
// Caveats: an idle machine is needed for figures worth keeping. The reference
// links a shared libllama, so it needs pkg-config and a C compiler.
package main
