package gguf

import (
	"math"
	"strings"

	"github.com/puna-ai/puna"
)

// checkAdapter checks a LoRA adapter by itself.
func (f *File) checkAdapter() error {
	if f.String("adapter.type") != "lora" {
		return f.failf("adapter.type", "llama.cpp only takes lora")
	}
	if f.Arch() == "" {
		return f.failf("general.architecture", "the adapter doesn't say what model it is for")
	}
	if kv, ok := f.Get("adapter.lora.alpha"); ok {
		if v, ok := kv.Value.(float32); !ok || math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return f.failf(kv.Key, "it must be a finite f32")
		}
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if !t.Type.info().weight {
			return puna.Errorf(puna.Invalid, "%s: tensor %q has the type %v, which ggml can't multiply with", f.Path, t.Name, t.Type)
		}
		if strings.HasSuffix(t.Name, "_norm.weight") { // llama.cpp skips them
			continue
		}
		base, matrix := loraBase(t.Name)
		other := f.Tensor(base + map[string]string{"a": ".lora_b", "b": ".lora_a"}[matrix])
		if other == nil || other == t || len(t.Shape) < 2 {
			return puna.Errorf(puna.Invalid, "%s: tensor %q has no counterpart, or isn't a matrix: the file is no LoRA adapter for llama.cpp", f.Path, t.Name)
		}
	}
	return nil
}

// loraBase splits "blk.0.attn_q.weight.lora_a" into the model's tensor and "a".
func loraBase(name string) (base, matrix string) {
	i := strings.LastIndex(name, ".lora_")
	if i < 0 || len(name) != i+len(".lora_a") {
		return name, ""
	}
	return name[:i], name[i+len(".lora_"):]
}

// ValidateAdapter checks that an adapter, f, fits a model: the architecture, and the
// shape of each pair of matrices against the tensor that it changes.
func (f *File) ValidateAdapter(model *File) error {
	if f.Kind() != Adapter {
		return puna.Errorf(puna.Invalid, "%s is no adapter: its general.type is %q", f.Path, f.String("general.type"))
	}
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Arch() != model.Arch() {
		return puna.Errorf(puna.Invalid, "%s is for %s models, but %s is a %s model", f.Path, f.Arch(), model.Path, model.Arch())
	}
	for i := range f.Tensors {
		base, matrix := loraBase(f.Tensors[i].Name)
		if matrix != "a" {
			continue
		}
		if err := f.checkPair(model, base, &f.Tensors[i], f.Tensor(base+".lora_b")); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) checkPair(model *File, base string, a, b *Tensor) error {
	t := model.Tensor(base)
	if t == nil {
		return puna.Errorf(puna.Invalid, "%s changes the tensor %q, which %s doesn't have: it is for another model", f.Path, base, model.Path)
	}
	w, sa, sb := t.shape4(), a.shape4(), b.shape4()
	fits := w[0] == sa[0] && w[1] == sb[1] && sa[1] == sb[0] && w[2] == sa[2] && w[2] == sb[2]
	if strings.HasSuffix(base, "token_embd.weight") { // its matrices are the other way round
		fits = w[0] == sb[1] && w[1] == sa[1] && sa[0] == sb[0] && sa[2] == 1 && sb[2] == 1
	}
	if !fits || sa[3] != 1 || sb[3] != 1 {
		return puna.Errorf(puna.Invalid, "%s: the matrices %v and %v don't fit the tensor %q of %v: the adapter is for another model",
			f.Path, a.Shape, b.Shape, base, t.Shape)
	}
	return nil
}

// shape4 returns the shape with ones at the end, as ggml has it.
func (t *Tensor) shape4() (s [4]uint64) {
	s = [4]uint64{1, 1, 1, 1}
	copy(s[:], t.Shape)
	return s
}

// checkProjector checks an mmproj file.
func (f *File) checkProjector() error {
	if f.Arch() != "clip" {
		return f.failf("general.architecture", "a projector's is clip")
	}
	for _, part := range []string{"vision", "audio"} {
		if on, _ := f.Bool("clip.has_" + part + "_encoder"); !on {
			continue
		}
		prefix := "clip." + part + "."
		for key, limit := range map[string]uint64{"embedding_length": maxWidth, "block_count": maxLayers, "attention.head_count": maxHeads} {
			if err := f.between(prefix+key, 1, limit); err != nil {
				return err
			}
		}
		heads, _ := f.Uint(prefix + "attention.head_count")
		if width, _ := f.Uint(prefix + "embedding_length"); width%heads != 0 {
			return f.failf(prefix+"attention.head_count", "it must divide the embedding length %d", width)
		}
	}
	if err := f.checkImages(); err != nil {
		return err
	}
	for i := range f.Tensors {
		if t := &f.Tensors[i]; !t.Type.info().weight {
			return puna.Errorf(puna.Invalid, "%s: tensor %q has the type %v, which ggml can't multiply with", f.Path, t.Name, t.Type)
		}
	}
	return nil
}

// checkImages checks what clip.cpp divides by and allocates.
func (f *File) checkImages() error {
	if on, _ := f.Bool("clip.has_vision_encoder"); !on {
		if on, _ := f.Bool("clip.has_audio_encoder"); !on {
			return f.failf("clip.has_vision_encoder", "the projector handles neither images nor sound")
		}
		return nil
	}
	if err := f.between("clip.vision.patch_size", 1, 1<<10); err != nil {
		return err
	}
	patch, _ := f.Uint("clip.vision.patch_size")
	if err := f.between("clip.vision.image_size", patch, 1<<14); err != nil {
		return err
	}
	for _, key := range []string{"clip.vision.image_mean", "clip.vision.image_std"} {
		if a := f.Array(key); a == nil || a.Type != Float32 || a.Len != 3 {
			return f.failf(key, "it must be an array of three f32")
		}
	}
	for _, key := range []string{"clip.vision.spatial_merge_size", "clip.vision.projector.scale_factor"} {
		if err := f.betweenIf(key, 1, 1<<10); err != nil {
			return err
		}
	}
	return nil
}
