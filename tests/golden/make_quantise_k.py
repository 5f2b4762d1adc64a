"""Writes tests/golden/quantise_k/: numbers of several kinds, and what ggml's own quantisers of Q4_K, Q5_K and Q6_K make of
them: their blocks. By ggml's library in the package llama-cpp-python.

Needs: pip install llama-cpp-python gguf numpy safetensors.  Run: python tests/golden/make_quantise_k.py MODEL.gguf
"""
import ctypes
import pathlib
import sys

import gguf
import llama_cpp
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).parent / "quantise_k"
BLOCK, BLOCKS = 256, 4


def kinds(model):
    rng = np.random.default_rng(20261201)
    shape = (BLOCKS, BLOCK)
    normal = rng.normal(0, 0.05, shape)
    weights = {t.name: t for t in gguf.GGUFReader(model).tensors}
    real = lambda name: gguf.quants.dequantize(weights[name].data, weights[name].tensor_type).reshape(-1)
    flat = np.zeros(shape)
    flat[1], flat[2], flat[3, ::7] = 0.5, -0.25, 3.0
    return {
        "normal": normal,
        "long_tails": rng.standard_t(3, shape) * 0.02,
        "above_zero": np.abs(normal) + 0.1,
        "below_zero": -np.abs(normal) - 0.1,
        "outliers": np.where(rng.random(shape) < 0.01, 40 * normal, normal),
        "ramps": np.linspace(-1, 1, BLOCK)[None, :] * np.array([[1], [1e-3], [1e-6], [100]]),
        "flat": flat,
        "down": real("blk.7.ffn_down.weight")[5000 : 5000 + BLOCKS * BLOCK].reshape(shape),
        "query": real("blk.3.attn_q.weight")[9000 : 9000 + BLOCKS * BLOCK].reshape(shape),
    }


def main():
    library = ctypes.CDLL(str(next((pathlib.Path(llama_cpp.__file__).parent / "lib").glob("libggml-base.so"))))
    quantise = library.ggml_quantize_chunk
    quantise.restype = ctypes.c_size_t
    quantise.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    FOLDER.mkdir(exist_ok=True)
    tensors = {}
    for name, values in kinds(sys.argv[1]).items():
        values = np.ascontiguousarray(values, np.float32)
        tensors[f"{name}.values"] = values
        for kind in (Type.Q4_K, Type.Q5_K, Type.Q6_K):
            out = np.zeros(BLOCKS * gguf.GGML_QUANT_SIZES[kind][1], np.uint8)
            written = quantise(int(kind), values.ctypes.data, out.ctypes.data, 0, BLOCKS, BLOCK, None)
            assert written == out.size
            tensors[f"{name}.{kind.name}"] = out.view(np.int32)  # for readers that have no bytes
    save_file(tensors, FOLDER / "blocks.safetensors")


if __name__ == "__main__":
    main()
