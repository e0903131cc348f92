// Package convert turns checkpoints of Hugging Face into GGUF files: folders with
// config.json, a tokenizer and safetensors ([Model]), and LoRA adapters ([Adapter]).
//
// Names and metadata come from the converters of Ollama's package, which are right for
// most of what they do. What is wrong in them is put right here, with the reason beside
// it; what opens files, allocates by what files say, or loads whole checkpoints isn't
// called. Converters see a config.json with numbers that were checked and nothing else.
//
// Checkpoints come from strangers. Headers, configurations and tokenizers are bounded and
// checked before anything is computed with them; the header of the GGUF file is made in
// memory and has to pass the validation of package gguf before weights are read. So a file
// that llama.cpp couldn't take is refused at once, and not after gigabytes are written.
// Formats that run code (PyTorch's) aren't read.
//
// Weights are streamed: a megabyte is in memory at a time, or a tensor where it has to be
// changed as a whole. They stay what they are in 16 bits (BF16 or F16); wider ones become
// F16, and vectors F32. The same checkpoint gives the same bytes.
//
// An architecture is in [Architectures] when its test converts a tiny random checkpoint
// of it and llama.cpp computes what the model's definition says. Others are refused by
// name, and so are tokenizers that llama.cpp doesn't have: a model whose text is split in
// another way than in training answers worse, and nothing shows why.
package convert
