package build

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	thirdparty "github.com/puna-ai/puna/third_party"
)

// baseName is libggml-base's file name and SONAME.
const baseName = "libggml-base.so." + thirdparty.LlamaCommit

// current reads what the destination holds already; a folder that is not there
// or whose libggml-base is damaged counts as empty.
func (j *job) current() *Manifest {
	m, err := ReadManifest(j.dst)
	if err != nil || m.Base.verify(j.dst) != nil {
		return &Manifest{
			LlamaCommit: thirdparty.LlamaCommit,
			Arch:        runtime.GOARCH,
			Compiler:    j.tools.compiler,
			Flags:       strings.Join(j.flags, " "),
		}
	}
	return m
}

// has says whether a variant is there, whole, and made by today's compiler.
func (j *job) has(m *Manifest, variant string) bool {
	mod, ok := m.Module(variant)
	return ok && mod.verify(j.dst) == nil && (variant != CUDA || mod.Compiler == j.tools.cuda)
}

// compile builds variants, moves their files into the destination and adds
// them to the manifest, which is written last.
func (j *job) compile(ctx context.Context, m *Manifest, variants []string) error {
	targets := []string{"ggml-base"}
	local := []string{"-DPUNA_CUDA=OFF"}
	for _, v := range variants {
		targets = append(targets, strings.TrimSuffix(strings.TrimPrefix(moduleFile(v), "lib"), ".so"))
		if v == CUDA {
			local = []string{"-DPUNA_CUDA=ON", "-DCMAKE_CUDA_COMPILER=" + j.tools.nvcc,
				"-DCMAKE_CUDA_ARCHITECTURES=" + j.o.CUDAArch}
		}
	}
	if err := j.configure(ctx, j.source, local...); err != nil {
		return err
	}
	if err := j.make(ctx, targets...); err != nil {
		return err
	}
	if err := os.MkdirAll(j.dst, 0o755); err != nil {
		return err
	}
	if m.Base.Name == "" {
		base, err := j.install(baseName)
		if err != nil {
			return err
		}
		m.Base = base
	}
	for _, v := range variants {
		file, err := j.install(moduleFile(v))
		if err != nil {
			return err
		}
		m.add(j.module(file, v))
	}
	m.BuiltAt = time.Now().UTC().Truncate(time.Second)
	return m.write(j.dst)
}

func (j *job) module(file File, variant string) Module {
	mod := Module{File: file, Variant: variant, Backend: "cpu"}
	if variant == CUDA {
		mod.Backend, mod.Compiler = "cuda", j.tools.cuda
	}
	return mod
}

// install moves a built file into the destination in one step.
func (j *job) install(name string) (File, error) {
	built := filepath.Join(j.dir, "build", "out", name)
	sum, err := fileSHA256(built)
	if err != nil {
		return File{}, err
	}
	return File{Name: name, SHA256: sum}, os.Rename(built, filepath.Join(j.dst, name))
}

// add puts a module at its place in the order, instead of an older one.
func (m *Manifest) add(mod Module) {
	m.Modules = slices.DeleteFunc(m.Modules, func(x Module) bool { return x.Variant == mod.Variant })
	m.Modules = append(m.Modules, mod)
	order := append(names(Variants(m.Arch)), CUDA)
	slices.SortFunc(m.Modules, func(a, b Module) int {
		return slices.Index(order, a.Variant) - slices.Index(order, b.Variant)
	})
}

func moduleFile(variant string) string {
	if variant == CUDA {
		return "libggml-cuda.so"
	}
	return "libggml-cpu-" + variant + ".so"
}
