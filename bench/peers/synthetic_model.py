"""Writes a GGUF file of a real model's shape with random weights, for measuring speed and memory: nothing can be learned from it.

  python bench/peers/synthetic_model.py llama-2-7b OUT.gguf

Matrices are Q4_0 blocks of random integers, about as large as trained weights are; tokens are called t, 0, t0, t1, ...
"""

import argparse
from pathlib import Path

import gguf
import numpy as np

# layers, width, heads, key heads, inner width of the feed-forward, vocabulary
SHAPES = {"llama-2-7b": (32, 4096, 32, 32, 11008, 32000), "tinyllama-1.1b": (22, 2048, 32, 4, 5632, 32000)}
SCALE = 0.0043  # of a block: elements have a deviation of about 0.02
BLOCK, BLOCK_BYTES = 32, 18


def blocks(draw, rows, columns):
    """(rows, bytes of a row): a half float and 32 integers of four bits each."""
    data = draw.integers(0, 256, (rows, columns // BLOCK, BLOCK_BYTES), dtype=np.uint8)
    data[:, :, :2] = np.frombuffer(np.float16(SCALE).tobytes(), dtype=np.uint8)
    return data.reshape(rows, -1)


def tensors(layers, width, heads, key_heads, inner, vocabulary):
    """Name and (outputs, inputs), or (width,) for norms."""
    keys = width // heads * key_heads
    yield "token_embd.weight", (vocabulary, width)
    for layer in range(layers):
        yield f"blk.{layer}.attn_norm.weight", (width,)
        yield f"blk.{layer}.ffn_norm.weight", (width,)
        for name, shape in {"attn_q": (width, width), "attn_k": (keys, width), "attn_v": (keys, width),
                            "attn_output": (width, width), "ffn_gate": (inner, width), "ffn_up": (inner, width),
                            "ffn_down": (width, inner)}.items():
            yield f"blk.{layer}.{name}.weight", shape
    yield "output_norm.weight", (width,)
    yield "output.weight", (vocabulary, width)


def write(shape, path):
    layers, width, heads, key_heads, inner, vocabulary = SHAPES[shape]
    out = gguf.GGUFWriter(path, "llama")
    out.add_name(f"random weights of the shape of {shape}")
    out.add_block_count(layers)
    out.add_embedding_length(width)
    out.add_feed_forward_length(inner)
    out.add_head_count(heads)
    out.add_head_count_kv(key_heads)
    out.add_context_length(4096)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(width // heads)
    out.add_vocab_size(vocabulary)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(["t", "0", *(f"t{i}" for i in range(vocabulary - 2))])
    out.add_token_types([1] * vocabulary)
    out.add_token_merges(["t 0"])
    out.add_eos_token_id(0)
    everything = list(tensors(*SHAPES[shape]))
    q4 = gguf.GGMLQuantizationType.Q4_0
    for name, dims in everything:
        if len(dims) == 1:
            out.add_tensor_info(name, dims, np.dtype(np.float32), dims[0] * 4)
        else:
            row = dims[1] // BLOCK * BLOCK_BYTES
            out.add_tensor_info(name, (dims[0], row), np.dtype(np.uint8), dims[0] * row, raw_dtype=q4)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_ti_data_to_file()
    draw = np.random.default_rng(1)
    for _, dims in everything:
        out.write_tensor_data(np.ones(dims, np.float32) if len(dims) == 1 else blocks(draw, *dims))
    out.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    write(args.shape, args.out)


if __name__ == "__main__":
    main()
