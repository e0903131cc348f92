# Two commands do everything: `make run` and `make test`. `make help` lists the rest.
#
# What is built of llama.cpp is kept by content in the user's cache folder
# (~/.cache/puna, or below XDG_CACHE_HOME), and Go keeps what it compiles in its
# own cache: a second run finds both.
SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

GO ?= go
MODEL ?= guide
PROMPT ?= What is Puna?
MUTANTS ?= 10000
VARIANTS ?= all
LLAMA_SERVER ?= $(if $(PEER_ROOT),chroot $(PEER_ROOT) )llama-server
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)

BUILD := $(GO) build -buildvcs=false
TEST := $(GO) test -timeout 20m
THIRDPARTY := $(GO) run ./tools/thirdparty
ARCHIVE := cgo/kernels/embedded/kernels.tar.zst

# The packages that call C, and those that drive it from Go.
NATIVE := ./cgo/... ./engine/...

##@ Use
.PHONY: run build bin dist
run: build ## build, then ask MODEL (guide, the built-in one) PROMPT
	bin/puna run --think=false $(MODEL) "$(PROMPT)"

build: bin ## bin/puna, and this machine's fast kernels, proven, in the user's cache
ifeq ($(shell uname -s),Linux) # elsewhere there are no modules
	bin/puna kernels build
endif

bin: tools
	$(BUILD) -o bin/puna ./cmd/puna

dist: tools ## dist/puna: one file with VARIANTS (all) of kernels inside; needs libc, libm and the loader alone
	$(THIRDPARTY) kernels -o $(ARCHIVE) $(VARIANTS)
	$(BUILD) -tags puna_embed_kernels -o dist/puna \
		-ldflags '-s -w -X main.release=$(VERSION) -linkmode external -extldflags "-static-libstdc++ -static-libgcc"' ./cmd/puna
	@ldd dist/puna
	@! ldd dist/puna | grep -vE 'linux-vdso|ld-linux|lib(c|m|dl|pthread|rt|resolv)\.so' || \
		{ echo "dist/puna needs more than libc" >&2; exit 1; }
	@echo "dist/puna: $$(du -h dist/puna | cut -f1), needs glibc $$($(glibc_floor)) or newer"

# The newest glibc symbol version that the binary and its embedded modules ask for.
glibc_floor = for f in dist/puna $$($(THIRDPARTY) kernels $(VARIANTS))/*.so*; do objdump -T $$f; done | \
	grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1 | cut -d_ -f2

##@ llama.cpp
.PHONY: kernels kernels-all libllama libllama-dir
kernels: build ## the best two CPU variants of this machine, into ~/.cache/puna/kernels/KEY

kernels-all: bin ## every CPU variant of this architecture
	bin/puna kernels build all

libllama libllama-dir: tools ## a shared libllama for the Go tag llama_system, into ~/.cache/puna/libllama/KEY
	@$(THIRDPARTY) libllama

##@ Test
.PHONY: test test-dist test-race test-soak test-mutants test-cgocheck test-debug lint bench bench-peer
# Race, cgocheck and debug builds link the libllama that CMake built once: with
# other Go flags cgo would compile llama.cpp's C++ again for each of them. All of
# them load the kernels that bin/puna has proven; tests prove none.
system = PKG_CONFIG_PATH=$$($(THIRDPARTY) libllama)/lib/pkgconfig

test: build libllama ## all tests, on the default build
	$(system) $(TEST) ./...

test-dist: override VARIANTS =
test-dist: dist ## dist/puna with this machine's variants alone, and kernels run from memory
	XDG_CACHE_HOME=$$(mktemp -d) dist/puna doctor
	$(TEST) -tags puna_embed_kernels -run '^TestEmbedded' ./cgo/kernels

test-race: build libllama ## all tests under the race detector
	$(system) $(TEST) -race -tags llama_system ./...

test-soak: build libllama ## 32 clients for ten minutes, on every kind of cache, under the race detector: nothing is lost, memory stays flat
	$(system) $(TEST) -race -tags llama_system -count 1 -v -run '^TestSoak$$' ./local -soak 10m

test-cgocheck: build libllama ## the native packages with every pointer that crosses into C checked
	$(system) GOEXPERIMENT=cgocheck2 $(TEST) -tags llama_system $(NATIVE)

test-debug: build libllama ## the native packages with leak checks and a busy garbage collector
	$(system) GOGC=1 $(TEST) -tags llama_system,puna_debug $(NATIVE)

test-mutants: build ## MUTANTS broken models through all of the engine; `make test` takes 500
	PUNA_TEST_MUTANTS=$(MUTANTS) $(TEST) -count 1 -v -run '^TestMutants$$' ./engine

lint: libllama ## gofmt, go vet and staticcheck
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w $$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	$(system) $(GO) vet -tags llama_system,puna_debug ./...
	$(GO) run $(STATICCHECK) ./...

bench: build libllama ## the speed table of the README, by bench/
	$(system) $(GO) run ./bench

bench-peer: build ## puna serve beside llama.cpp's LLAMA_SERVER, which may lie in PEER_ROOT (bench/README.md)
	$(GO) run ./bench peer -llama-server '$(LLAMA_SERVER)' -root '$(PEER_ROOT)'

##@ Other
.PHONY: docker docker-cuda clean tools help
docker: ## an image of `make dist`
	docker build -t puna:$(or $(VERSION),dev) .

docker-cuda: ## an image with the CUDA backend
	docker build -f Dockerfile.cuda -t puna:$(or $(VERSION),dev)-cuda .

clean: ## remove what make put into this folder; the user's cache stays
	rm -rf bin dist $(ARCHIVE)

# Program and Debian package of each tool; missing ones are installed when
# root may, else named.
TOOLS := g++:g++ cmake:cmake ninja:ninja-build pkg-config:pkg-config

tools:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go 1.26 or newer from https://go.dev/dl" >&2; exit 1; }
	@missing=; for t in $(TOOLS); do command -v $${t%%:*} >/dev/null || missing="$$missing $${t##*:}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing </dev/null; \
	else echo "these tools are missing:$$missing; install them with: sudo apt-get install -y$$missing" >&2; exit 1; fi

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z][a-z -]*:.*## / {printf "  %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
