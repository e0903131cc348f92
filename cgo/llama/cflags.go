package llama

// The shim's loops over a vocabulary are worth -O3.

// #cgo CXXFLAGS: -std=c++17 -O3
import "C"
