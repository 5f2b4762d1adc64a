// What the files of a model call its tensors, and the two things that some do to values: data of a
// family (families/family.h), read by whoever looks for a tensor or names one (weights, PEFT).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/module.h"

namespace ilora {

enum class FileKind : uint8_t { kFolder, kGguf };  // a Hugging Face folder; a GGUF file

// A tensor's name without its end (".weight", ".bias"), and without what stands before all names of
// a block.
struct TensorName {
  std::string_view folder, gguf;

  std::string_view in(FileKind kind) const { return kind == FileKind::kGguf ? gguf : folder; }
};

// As Llama has it, unless a family says otherwise.
struct TensorNames {
  TensorName embedding{"model.embed_tokens", "token_embd"};
  TensorName final_norm{"model.norm", "output_norm"};
  TensorName head{"lm_head", "output"};
  TensorName block{"model.layers", "blk"};  // a block's names begin so, followed by its number
  TensorName attention_norm{"input_layernorm", "attn_norm"};
  TensorName feed_forward_norm{"post_attention_layernorm", "ffn_norm"};
  // Where a block has them (config.h).
  TensorName attention_post_norm{"post_attention_layernorm", "post_attention_norm"};
  TensorName feed_forward_post_norm{"post_feedforward_layernorm", "post_ffw_norm"};
  TensorName query_norm{"self_attn.q_norm", "attn_q_norm"};
  TensorName key_norm{"self_attn.k_norm", "attn_k_norm"};
  // What a block's output is multiplied by, where a file has it (in folders without an end).
  TensorName output_scale{"layer_scalar", "layer_output_scale"};
  std::array<TensorName, kModules> linear{{{"self_attn.q_proj", "attn_q"},
                                           {"self_attn.k_proj", "attn_k"},
                                           {"self_attn.v_proj", "attn_v"},
                                           {"self_attn.o_proj", "attn_output"},
                                           {"mlp.gate_proj", "ffn_gate"},
                                           {"mlp.up_proj", "ffn_up"},
                                           {"mlp.down_proj", "ffn_down"},
                                           {"self_attn.qkv_proj", "attn_qkv"},
                                           {"mlp.gate_up_proj", "ffn_up"}}};

  // GGUF files hold each head's rows of q and k with rotary pairs side by side: row (h, half, j) of
  // a folder's order is the file's row (h, j, half).
  bool interleaved_in_gguf = false;
  // Folders hold norm weights less this: Gemma's are applied as 1 + w. Its GGUF files hold the sum.
  double norm_offset_in_folder = 0;

  // GGUF files hold LongRoPE's divisors as tensors, for short rows and for long ones.
  bool long_rotary_in_gguf = false;

  // Tensors that change nothing, or whose content is read with the configuration.
  bool passes_over(FileKind kind, std::string_view name) const;
  // "model.layers.3.self_attn.q_proj", "blk.3.attn_q"
  std::string in_block(FileKind kind, int64_t layer, const TensorName& name) const;
  std::string linear_in_block(FileKind kind, int64_t layer, Module module) const {
    return in_block(kind, layer, linear[static_cast<size_t>(module)]);
  }
};

}  // namespace ilora
