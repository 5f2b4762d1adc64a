"""Writes tests/golden/tiny-llama/mixed.gguf: the tiny Llama of make_tiny_llama.py in a GGUF file whose tensors have
every type that is read and fits its rows (no blocks of 256), quantised by the `gguf` package. Query and key rows are
interleaved as llama.cpp's converter does for this architecture. blocks.gguf beside it has every matrix in blocks.

Needs: pip install gguf numpy safetensors.  Run: python tests/golden/make_tiny_gguf.py
"""
from pathlib import Path

import gguf
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import load_file

FOLDER = Path(__file__).resolve().parent / "tiny-llama"
HEADS, KV_HEADS = 4, 2
# Per module the type in layer 0 and in layer 1.
MIXED = {
    "self_attn.q_proj": ("attn_q", Type.Q4_0, Type.F32),
    "self_attn.k_proj": ("attn_k", Type.Q8_0, Type.Q4_1),
    "self_attn.v_proj": ("attn_v", Type.Q4_1, Type.F16),
    "self_attn.o_proj": ("attn_output", Type.Q4_0, Type.Q8_0),
    "mlp.gate_proj": ("ffn_gate", Type.Q4_1, Type.BF16),
    "mlp.up_proj": ("ffn_up", Type.Q8_0, Type.Q5_0),
    "mlp.down_proj": ("ffn_down", Type.Q5_1, Type.Q4_1),
}
BLOCKS = MIXED | {
    "self_attn.q_proj": ("attn_q", Type.Q4_0, Type.Q8_0),
    "self_attn.v_proj": ("attn_v", Type.Q4_1, Type.Q5_0),
    "mlp.gate_proj": ("ffn_gate", Type.Q4_1, Type.Q5_1),
}


def interleaved(rows, heads):
    """Row (h, half, j) of Hugging Face's order becomes row (h, j, half)."""
    out, width = rows.shape
    return rows.reshape(heads, 2, out // heads // 2, width).swapaxes(1, 2).reshape(out, width)


def write(name, linear):
    state = load_file(FOLDER / "model" / "model.safetensors")
    writer = gguf.GGUFWriter(FOLDER / f"{name}.gguf", "llama")
    writer.add_name(f"tiny {name}")
    writer.add_block_count(2)
    writer.add_embedding_length(32)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_feed_forward_length(64)
    writer.add_context_length(64)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)

    def add(name, values, kind):
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    add("token_embd.weight", state["model.embed_tokens.weight"], Type.Q4_1)
    add("output.weight", state["lm_head.weight"], Type.Q8_0)
    add("output_norm.weight", state["model.norm.weight"], Type.F32)
    for layer in range(2):
        hf, blk = f"model.layers.{layer}.", f"blk.{layer}."
        add(blk + "attn_norm.weight", state[hf + "input_layernorm.weight"], Type.F32)
        add(blk + "ffn_norm.weight", state[hf + "post_attention_layernorm.weight"], Type.F32)
        for module, (name, *kinds) in linear.items():
            rows = state[hf + module + ".weight"]
            if module.endswith(("q_proj", "k_proj")):
                rows = interleaved(rows, HEADS if module.endswith("q_proj") else KV_HEADS)
            add(blk + name + ".weight", rows, kinds[layer])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write("mixed", MIXED)
    write("blocks", BLOCKS)
