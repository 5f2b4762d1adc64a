"""Writes tests/golden/tiny-qwen2/: a tiny random Qwen2 (biases of queries, keys and values) in Hugging Face's format and
as a GGUF file, a LoRA adapter saved by PEFT, and logits, losses and LoRA gradients.

  python tests/golden/make_tiny_qwen2.py            (torch, transformers, peft, safetensors, gguf; a few seconds)

As make_tiny_llama.py: computed in float64 with the same formulas, compared with the untouched model in float32.
"""

import json
import shutil
from pathlib import Path

import gguf
import make_tiny_llama as llama
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.models.qwen2 import modeling_qwen2

HERE = Path(__file__).resolve().parent / "tiny-qwen2"
WIDTH, LAYERS, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY, CONTEXT = 16, 2, 4, 2, 32, 64, 32
THETA, EPSILON = 1e6, 1e-6
NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def write_model():
    config = Qwen2Config(
        hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS,
        intermediate_size=FEED_FORWARD, vocab_size=VOCABULARY, max_position_embeddings=CONTEXT, rms_norm_eps=EPSILON,
        rope_parameters={"rope_type": "default", "rope_theta": THETA}, tie_word_embeddings=True, bos_token_id=0,
        eos_token_id=1, attn_implementation="eager", torch_dtype="float32",
    )  # fmt: skip
    model = Qwen2ForCausalLM(config).float().eval()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            p.copy_(1 + 0.1 * noise if "norm" in name else 0.3 * noise)
    model.save_pretrained(HERE / "model")
    (HERE / "model" / "generation_config.json").unlink(missing_ok=True)
    return model.state_dict()


def write_gguf(state):
    """As llama.cpp's converter writes this family: no row is moved."""
    writer = gguf.GGUFWriter(HERE / "model.gguf", "qwen2")
    writer.add_name("tiny qwen2")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_context_length(CONTEXT)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_freq_base(THETA)
    writer.add_tensor("token_embd.weight", state["model.embed_tokens.weight"].numpy())
    writer.add_tensor("output_norm.weight", state["model.norm.weight"].numpy())
    for layer in range(LAYERS):
        for hf, name in NAMES.items():
            for kind in ("weight", "bias"):
                value = state.get(f"model.layers.{layer}.{hf}.{kind}")
                if value is not None:
                    writer.add_tensor(f"blk.{layer}.{name}.{kind}", value.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_adapter():
    modules = ["q_proj", "k_proj", "v_proj", "gate_proj"]
    model = get_peft_model(load(dtype=torch.float32),
                           LoraConfig(r=2, lora_alpha=4, target_modules=modules, task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(12)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.copy_(0.2 * torch.randn(p.shape, generator=generator))
    model.peft_config["default"].base_model_name_or_path = "tests/golden/tiny-qwen2/model"
    model.save_pretrained(HERE / "adapter", safe_serialization=True)
    (HERE / "adapter" / "README.md").unlink(missing_ok=True)
    path = HERE / "adapter" / "adapter_config.json"  # peft keeps the modules in a set: fix their order
    config = json.loads(path.read_text())
    config["target_modules"] = modules
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(adapter=False, dtype=torch.float64):
    model = Qwen2ForCausalLM.from_pretrained(HERE / "model", attn_implementation="eager")
    model.config.head_dim = WIDTH // HEADS  # what llama.rotary_forward asks; this family's files do not say it
    if adapter:
        model = PeftModel.from_pretrained(model, HERE / "adapter", is_trainable=True)
    return model.to(dtype).eval()


def main():
    torch.set_num_threads(1)
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    write_gguf(write_model())
    write_adapter()
    generator = torch.Generator().manual_seed(13)
    rows = [torch.randint(0, VOCABULARY, (n,), generator=generator).tolist() for n in llama.LENGTHS]

    untouched = {a: [llama.forward(load(a, torch.float32), r)[0] for r in rows] for a in (False, True)}
    modeling_qwen2.Qwen2RMSNorm.forward = llama.norm_forward
    modeling_qwen2.Qwen2RotaryEmbedding.forward = llama.rotary_forward
    modeling_qwen2.eager_attention_forward = llama.attention_forward
    tensors = {}
    for adapter, name in ((False, "base"), (True, "adapter")):
        model = load(adapter)
        for i, row in enumerate(rows):
            logits = llama.forward(model, row)[0].detach()
            difference = (logits - untouched[adapter][i]).abs().max().item()
            assert difference < 1e-4, (adapter, difference)
            tensors[f"{name}.logits.{i}"] = logits
    model = load(adapter=True)
    loss = llama.cross_entropy(model, rows, "sequence")
    llama.add(tensors, "grad", llama.gradients(model, loss))
    save_file({k: v.float().contiguous() for k, v in sorted(tensors.items())}, HERE / "reference.safetensors")
    reference = {"rows": rows, "answer_tokens": list(llama.ANSWERS), "loss": loss.item()}
    (HERE / "reference.json").write_text(json.dumps(reference, indent=1) + "\n")
    print(json.dumps(reference))


if __name__ == "__main__":
    main()
