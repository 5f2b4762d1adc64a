"""Writes tests/golden/families/: a tiny random model of each family in Hugging Face's format and as a GGUF file, a LoRA
adapter on all its linear maps saved by PEFT, and logits, loss and every LoRA gradient; and rotary scalings of one Llama.

  python tests/golden/make_families.py [NAME ...]      (torch, transformers, peft, safetensors, gguf; a minute)

Computed with float64 weights and activations; where transformers computes in float32 whatever the type (norms, softmax,
rotary angles) it stays so, which is far below the tests' tolerance. Rows run one at a time, without padding.
"""

import json
import shutil
import sys
from pathlib import Path

import gguf
import make_tiny_llama as llama
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent / "families"
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
JOINED = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
COMMON = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=24,
              vocab_size=48, max_position_embeddings=32, bos_token_id=0, eos_token_id=1, pad_token_id=None)
DEFAULT = {"rope_type": "default", "rope_theta": 1e4}
WINDOW = 4  # rows have up to 12 tokens

# name: configuration class, its arguments, GGUF architecture, keys of its own there, modules, what else
FAMILIES = {
    "mistral-window": dict(config="Mistral", own=dict(sliding_window=WINDOW, rope_parameters=DEFAULT)),
    "qwen2-window": dict(config="Qwen2", own=dict(use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1,
                                                  rope_parameters=DEFAULT)),
    "qwen3": dict(config="Qwen3", own=dict(head_dim=12, tie_word_embeddings=True, rope_parameters=DEFAULT),
                  arch="qwen3"),
    "qwen3-window": dict(config="Qwen3", own=dict(head_dim=8, use_sliding_window=True, sliding_window=WINDOW,
                                                  layer_types=["sliding_attention", "full_attention"],
                                                  rope_parameters=DEFAULT)),
    "smollm3": dict(config="SmolLM3", own=dict(num_hidden_layers=4, tie_word_embeddings=True,
                                               rope_parameters={"rope_type": "default", "rope_theta": 5e4}),
                    arch="smollm3", interleaved=True),
    "olmo2": dict(config="Olmo2", own=dict(rope_parameters=DEFAULT), arch="olmo2"),
    "granite": dict(config="Granite", own=dict(embedding_multiplier=3.0, attention_multiplier=0.4, logits_scaling=2.5,
                                               residual_multiplier=0.6, rope_parameters=DEFAULT),
                    arch="granite", interleaved=True,
                    keys=lambda w: (w.add_attention_scale(0.4), w.add_embedding_scale(3.0), w.add_residual_scale(0.6),
                                    w.add_logit_scale(2.5))),
    "phi3": dict(config="Phi3", own=dict(sliding_window=WINDOW, rope_parameters=DEFAULT), arch="phi3", modules=JOINED,
                 keys=lambda w: w.add_sliding_window(WINDOW)),
    # As Phi-4 mini: a part of each head turns, by LongRoPE.
    "phi4-mini": dict(config="Phi3",
                      own=dict(num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
                               max_position_embeddings=64, original_max_position_embeddings=16,
                               partial_rotary_factor=0.75,
                               rope_parameters={"rope_type": "longrope", "rope_theta": 1e4, "partial_rotary_factor": 0.75,
                                                "short_factor": [1.0, 1.3, 2.1], "long_factor": [2.0, 4.0, 6.0]}),
                      arch="phi3", modules=JOINED,
                      keys=lambda w: (w.add_rope_dimension_count(6), w.add_rope_scaling_orig_ctx_len(16),
                                      w.add_rope_scaling_attn_factors((1 + 0.5) ** 0.5)),  # ln 4 / ln 16 = 1/2
                      tensors={"rope_factors_short": [1.0, 1.3, 2.1], "rope_factors_long": [2.0, 4.0, 6.0]}),
    "gemma2": dict(config="Gemma2", own=dict(head_dim=12, sliding_window=WINDOW, query_pre_attn_scalar=12,
                                             attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
                                             rope_parameters=DEFAULT),
                   arch="gemma2",
                   keys=lambda w: (w.add_sliding_window(WINDOW), w.add_attn_logit_softcapping(2.0),
                                   w.add_final_logit_softcapping(3.0))),
    "gemma2-scalar": dict(config="Gemma2", own=dict(head_dim=8, sliding_window=WINDOW, query_pre_attn_scalar=5,
                                                    attn_logit_softcapping=None, final_logit_softcapping=None,
                                                    rope_parameters=DEFAULT)),
    "gemma3": dict(config="Gemma3Text",
                   own=dict(head_dim=12, num_hidden_layers=6, sliding_window=WINDOW, query_pre_attn_scalar=12,
                            rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
                                             "full_attention": {"rope_type": "linear", "factor": 8.0,
                                                                "rope_theta": 1e5}}),
                   arch="gemma3",
                   keys=lambda w: (w.add_sliding_window(WINDOW), w.add_rope_freq_base_swa(50.0),
                                   w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR),
                                   w.add_rope_scaling_factor(8.0)), base=1e5),
    "llama-bias": dict(config="Llama", own=dict(attention_bias=True, mlp_bias=True, rope_parameters=DEFAULT),
                       arch="llama", interleaved=True),
    "olmo3": dict(config="Olmo3", own=dict(num_hidden_layers=4, sliding_window=WINDOW,
                                           rope_parameters={"sliding_attention": DEFAULT, "full_attention": DEFAULT}),
                  arch="olmo2", base=1e4,
                  keys=lambda w: (w.add_sliding_window(WINDOW),
                                  w.add_sliding_window_pattern([True, True, True, False]))),
    "ministral": dict(config="Ministral", own=dict(head_dim=4, sliding_window=WINDOW, rope_parameters=DEFAULT,
                                                   layer_types=["sliding_attention", "full_attention"])),
    "ministral3": dict(config="Ministral3",
                       own=dict(head_dim=8, max_position_embeddings=64,
                                rope_parameters={"rope_type": "yarn", "rope_theta": 1e3, "factor": 8.0, "beta_fast": 4.0,
                                                 "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0,
                                                 "original_max_position_embeddings": 4, "llama_4_scaling_beta": 0.3}),
                       arch="mistral3", interleaved=True,
                       keys=lambda w: (w.add_rope_scaling_type(gguf.RopeScalingType.YARN), w.add_rope_scaling_factor(8.0),
                                       w.add_rope_scaling_orig_ctx_len(4), w.add_rope_scaling_yarn_beta_fast(4.0),
                                       w.add_rope_scaling_yarn_beta_slow(1.0), w.add_rope_scaling_yarn_log_mul(1.0),
                                       w.add_attn_temperature_scale(0.3), w.add_rope_dimension_count(8))),
    "glm4": dict(config="Glm4", own=dict(head_dim=8, rope_parameters={**DEFAULT, "partial_rotary_factor": 0.5}),
                 arch="glm4", modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"],
                 keys=lambda w: w.add_rope_dimension_count(4)),
    "exaone4": dict(config="Exaone4", own=dict(num_hidden_layers=4, sliding_window=WINDOW, rope_parameters=DEFAULT),
                    arch="exaone4", keys=lambda w: (w.add_sliding_window(WINDOW),
                                                    w.add_sliding_window_pattern([True, True, True, False]))),
    "cohere": dict(config="Cohere", own=dict(logit_scale=0.3, rope_parameters=DEFAULT), arch="command-r",
                   keys=lambda w: w.add_logit_scale(0.3)),
    "cohere2": dict(config="Cohere2", own=dict(num_hidden_layers=4, logit_scale=0.3, sliding_window=WINDOW,
                                               rope_parameters=DEFAULT),
                    arch="cohere2", keys=lambda w: (w.add_logit_scale(0.3), w.add_sliding_window(WINDOW))),
    "stablelm": dict(config="StableLm", own=dict(num_attention_heads=2, num_key_value_heads=1, use_qkv_bias=True,
                                                 rope_parameters={**DEFAULT, "partial_rotary_factor": 0.25}),
                     arch="stablelm", keys=lambda w: w.add_rope_dimension_count(2)),
    "stablelm-parallel": dict(config="StableLm",
                              own=dict(use_parallel_residual=True, hidden_act="silu",
                                       rope_parameters={**DEFAULT, "partial_rotary_factor": 0.5}),
                              arch="stablelm", keys=lambda w: (w.add_rope_dimension_count(2),
                                                               w.add_parallel_residual(True))),
    "starcoder2": dict(config="Starcoder2", own=dict(rope_parameters=DEFAULT), arch="starcoder2",
                       modules=["q_proj", "k_proj", "v_proj", "o_proj", "c_fc", "c_proj"]),
    "gemma4": dict(config="Gemma4Text", own=dict(num_hidden_layers=4, head_dim=8, global_head_dim=12,
                                                 num_global_key_value_heads=1, attention_k_eq_v=True,
                                                 hidden_size_per_layer_input=0, sliding_window=WINDOW,
                                                 layer_types=["sliding_attention", "full_attention"] * 2,
                                                 final_logit_softcapping=3.0,
                                                 rope_parameters={"sliding_attention": {"rope_type": "default",
                                                                                        "rope_theta": 50.0},
                                                                  "full_attention": {"rope_type": "proportional",
                                                                                     "partial_rotary_factor": 0.5,
                                                                                     "rope_theta": 1e5}}),
                   arch="gemma4", base=1e5, head_dim=12, kv_heads=[2, 1] * 2,
                   keys=lambda w: (w.add_sliding_window(WINDOW), w.add_sliding_window_pattern([True, False] * 2),
                                   w.add_key_length_swa(8), w.add_value_length_swa(8), w.add_rope_freq_base_swa(50.0),
                                   w.add_rope_dimension_count(12), w.add_rope_dimension_count_swa(8),
                                   w.add_embedding_length_per_layer_input(0), w.add_final_logit_softcapping(3.0)),
                   tensors={"rope_freqs": [1.0, 1.0, 1.0, 1e30, 1e30, 1e30]}),
    # As the 12B is written by others: its heads in keys of their own, and all values of their own.
    "gemma4-values": dict(config="Gemma4UnifiedText",
                          own=dict(num_hidden_layers=3, head_dim=8, global_head_dim=8, sliding_window=WINDOW,
                                   layer_types=["sliding_attention"] * 2 + ["full_attention"],
                                   rope_parameters={"sliding_attention": DEFAULT,
                                                    "full_attention": {"rope_type": "proportional",
                                                                       "partial_rotary_factor": 0.25,
                                                                       "rope_theta": 1e5}})),
    # Text models of folders that hold others beside them.
    "gemma3-vision": dict(config="Gemma3", model="Gemma3ForConditionalGeneration",
                          text=dict(model_type="gemma3_text", head_dim=8, sliding_window=WINDOW, query_pre_attn_scalar=8),
                          vision=dict(model_type="siglip_vision_model"), more=dict(mm_tokens_per_image=4)),
    "mistral3-vision": dict(config="Mistral3", model="Mistral3ForConditionalGeneration",
                            text=dict(model_type="mistral", head_dim=8), vision=dict(model_type="pixtral", head_dim=8),
                            more=dict(spatial_merge_size=2)),
}  # fmt: skip
VISION = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, image_size=28, patch_size=14)

# Scalings of one Llama's rotary positions.
ROTARY = {
    "linear": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4},
    "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 16, "rope_theta": 100.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8, "rope_theta": 100.0},
    "yarn-parts": {"rope_type": "yarn", "factor": 2.5, "original_max_position_embeddings": 12, "rope_theta": 50.0,
                   "beta_fast": 4.0, "beta_slow": 0.5, "mscale": 1.0, "mscale_all_dim": 0.5, "truncate": False},
    "yarn-factor": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8, "rope_theta": 1e3,
                    "attention_factor": 1.4},
    "longrope": {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0, 1.5], "long_factor": [2.0, 3.0],
                 "factor": 2.0, "original_max_position_embeddings": 16},
}  # fmt: skip


def random_model(model, seed, gemma):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name and not name.endswith(".bias"):
                p.copy_((0.0 if gemma else 1.0) + 0.3 * noise)
            else:
                p.copy_(0.3 * noise)
        for name, scale in model.named_buffers():
            if name.endswith("layer_scalar"):
                scale.copy_(1 + 0.3 * torch.randn(scale.shape, generator=generator))
    return model


def save(model, folder):
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)


def load(folder, adapter=None, dtype=torch.float64):
    names = json.loads((folder / "config.json").read_text())["architectures"]
    model = getattr(transformers, names[0]).from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    return model.to(dtype).eval()


def write_adapter(folder, name, modules):
    model = get_peft_model(load(folder / "model", dtype=torch.float32),
                           LoraConfig(r=2, lora_alpha=4, target_modules=modules, task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(12)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.copy_(0.2 * torch.randn(p.shape, generator=generator))
    model.peft_config["default"].base_model_name_or_path = f"tests/golden/families/{name}/model"
    model.save_pretrained(folder / "adapter", safe_serialization=True)
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    path = folder / "adapter" / "adapter_config.json"  # peft keeps the modules in a set: fix their order
    config = json.loads(path.read_text())
    if isinstance(modules, list):
        config["target_modules"] = modules
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "input_layernorm": "attn_norm",
         "post_feedforward_layernorm": "post_ffw_norm", "pre_feedforward_layernorm": "ffn_norm",
         "post_self_attn_layernorm": "post_attention_norm", "post_mlp_layernorm": "post_ffw_norm",
         "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}  # fmt: skip


def interleaved(rows, heads):
    """Row (h, half, j) of Hugging Face's order becomes row (h, j, half)."""
    out, width = rows.shape
    return rows.reshape(heads, 2, out // heads // 2, width).swapaxes(1, 2).reshape(out, width)


def write_gguf(path, family, config, state):
    """Keys and tensors as llama.cpp's converter writes them."""
    arch = family["arch"]
    gemma = arch in ("gemma2", "gemma3")
    writer = gguf.GGUFWriter(path, arch)
    writer.add_name(f"tiny {arch}")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(family.get("kv_heads") or config.num_key_value_heads)
    head_dim = family.get("head_dim") or getattr(config, "head_dim", None)
    if head_dim:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_context_length(config.max_position_embeddings)
    if hasattr(config, "rms_norm_eps"):
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        writer.add_layer_norm_eps(getattr(config, "layer_norm_eps", None) or config.norm_epsilon)
    writer.add_rope_freq_base(family.get("base") or config.rope_parameters["rope_theta"])
    family.get("keys", lambda w: None)(writer)
    for name, value in family.get("tensors", {}).items():
        writer.add_tensor(name + ".weight", torch.tensor(value).float().numpy())
    post_norm = {"gemma2": "post_attention_norm", "gemma3": "post_attention_norm", "olmo2": "post_attention_norm",
                 "gemma4": "post_attention_norm", "exaone4": "post_attention_norm"}
    names = {**NAMES, "post_attention_layernorm": post_norm.get(arch, "ffn_norm")}

    def add(name, value):
        writer.add_tensor(name, (value + 1 if gemma and "norm" in name else value).float().numpy())

    add("token_embd.weight", state["model.embed_tokens.weight"])
    add("output_norm.weight", state["model.norm.weight"])
    if "model.norm.bias" in state:
        add("output_norm.bias", state["model.norm.bias"])
    if not config.tie_word_embeddings:
        add("output.weight", state["lm_head.weight"])
    for layer in range(config.num_hidden_layers):
        if f"model.layers.{layer}.layer_scalar" in state:
            add(f"blk.{layer}.layer_output_scale.weight", state[f"model.layers.{layer}.layer_scalar"])
        for hf, name in names.items():
            for end in ("weight", "bias"):
                value = state.get(f"model.layers.{layer}.{hf}.{end}")
                if value is None:
                    continue
                if family.get("interleaved") and name in ("attn_q", "attn_k"):
                    heads = config.num_attention_heads if name == "attn_q" else config.num_key_value_heads
                    value = interleaved(value.reshape(len(value), -1), heads).reshape(value.shape)
                add(f"blk.{layer}.{name}.{end}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def rows_of(vocabulary):
    generator = torch.Generator().manual_seed(13)
    return [torch.randint(0, vocabulary, (n,), generator=generator).tolist() for n in llama.LENGTHS]


def write_reference(folder, rows, tensors, more):
    save_file({k: v.float().contiguous() for k, v in sorted(tensors.items())}, folder / "reference.safetensors")
    reference = {"rows": rows, "answer_tokens": list(llama.ANSWERS), **more}
    (folder / "reference.json").write_text(json.dumps(reference, indent=1) + "\n")


def make_family(name, family, seed):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config_class = getattr(transformers, family["config"] + "Config")
    if "text" in family:
        config = config_class(text_config={**COMMON, **family["text"]}, vision_config={**VISION, **family["vision"]},
                              **family["more"], attn_implementation="eager", dtype="float32")
        model = getattr(transformers, family["model"])(config).float().eval()
        vocabulary = config.text_config.vocab_size
        modules = rf".*language_model.*\.({'|'.join(SEVEN)})"
    else:
        config = config_class(**{**COMMON, **family["own"]}, attn_implementation="eager", dtype="float32")
        model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
        vocabulary, modules = config.vocab_size, family.get("modules", SEVEN)
    random_model(model, seed, family["config"].startswith(("Gemma2", "Gemma3")))
    save(model, folder / "model")
    if "arch" in family:
        write_gguf(folder / "model.gguf", family, config, model.state_dict())
    write_adapter(folder, name, modules)
    rows = rows_of(vocabulary)
    tensors = {}
    for adapter, what in ((None, "base"), (folder / "adapter", "adapter")):
        model = load(folder / "model", adapter)
        single = load(folder / "model", adapter, torch.float32)
        for i, row in enumerate(rows):
            logits = llama.forward(model, row)[0].detach()
            difference = (logits - llama.forward(single, row)[0]).abs().max().item() / logits.abs().max().item()
            assert difference < 2e-5, (name, what, difference)
            tensors[f"{what}.logits.{i}"] = logits
    loss = llama.cross_entropy(model, rows, "sequence")
    llama.add(tensors, "grad", llama.gradients(model, loss))
    write_reference(folder, rows, tensors, {"loss": loss.item()})
    print(name, loss.item())


def make_rotary():
    folder = HERE / "rotary"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows, tensors = rows_of(COMMON["vocab_size"]), {}
    for name, parameters in ROTARY.items():
        config = transformers.LlamaConfig(**COMMON, rope_parameters=dict(parameters), attn_implementation="eager")
        model = random_model(transformers.LlamaForCausalLM(config).float().eval(), 31, False)
        save(model, folder / "model")
        shutil.move(folder / "model" / "config.json", folder / f"{name}.json")
        for i, row in enumerate(rows):
            tensors[f"{name}.logits.{i}"] = llama.forward(model.double(), row)[0].detach()
    shutil.copy(folder / "linear.json", folder / "model" / "config.json")
    write_reference(folder, rows, tensors, {"names": list(ROTARY)})
    print("rotary", ", ".join(ROTARY))


def main():
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or [*FAMILIES, "rotary"]
    for seed, (name, family) in enumerate(FAMILIES.items()):
        if name in wanted:
            make_family(name, family, 100 + seed)
    if "rotary" in wanted:
        make_rotary()


if __name__ == "__main__":
    main()
