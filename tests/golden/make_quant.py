"""Writes tests/golden/quant/: a small GGUF file with every tensor type that is read, by the `gguf` package, and the
values that package expands it to, in safetensors by the `safetensors` package.

Needs: pip install gguf numpy safetensors.  Run: python tests/golden/make_quant.py
"""
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).parent / "quant"
ROWS, COLUMNS = 6, 96
SUPER_ROWS, SUPER_COLUMNS = 5, 512  # of the types with blocks of 256


def half_bytes(rng, count):
    """Scales of every kind: ordinary, negative, zero, subnormal, the largest."""
    values = rng.normal(0, 0.02, count).astype(np.float16)
    values[:6] = [0, -0.0, 6e-8, -3e-6, 65504, -1.5]
    return values.view(np.uint8).reshape(count, 2)


def raw_blocks(rng, kind, rows, columns):
    """Random bytes as quants: every nibble and byte value occurs, which quantising real values does not promise."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rows * columns // block
    data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
    if kind in (Type.Q6_K, Type.Q3_K, Type.TQ1_0, Type.TQ2_0):
        data[:, -2:] = half_bytes(rng, blocks)
    elif kind == Type.Q2_K:
        data[:, -4:-2], data[:, -2:] = half_bytes(rng, blocks), half_bytes(rng, blocks)[::-1]
    else:
        data[:, :2] = half_bytes(rng, blocks)
    if kind in (Type.Q4_1, Type.Q5_1, Type.Q4_K, Type.Q5_K):
        data[:, 2:4] = half_bytes(rng, blocks)[::-1]
    return data.reshape(rows, -1)


def main():
    rng = np.random.default_rng(20240601)
    values = rng.normal(0, 1, (ROWS, COLUMNS)).astype(np.float32)
    FOLDER.mkdir(exist_ok=True)
    writer = gguf.GGUFWriter(FOLDER / "types.gguf", "golden")
    writer.add_uint8("u8", 200)
    writer.add_int8("i8", -100)
    writer.add_uint16("u16", 60000)
    writer.add_int16("i16", -30000)
    writer.add_uint32("u32", 4000000000)
    writer.add_int32("i32", -2000000000)
    writer.add_uint64("u64", 2**63)
    writer.add_int64("i64", -(2**62))
    writer.add_float32("f32", 0.1)
    writer.add_float64("f64", 0.1)
    writer.add_bool("yes", True)
    writer.add_bool("no", False)
    writer.add_string("text", "Grüße")
    writer.add_array("texts", ["a", "", "文字"])
    writer.add_array("integers", [3, -4, 5])
    writer.add_array("numbers", [0.5, -1.25])
    expected = {}
    for kind in (Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1):
        stored = {f"{kind.name}.values": gguf.quants.quantize(values, kind)}
        if gguf.GGML_QUANT_SIZES[kind][0] > 1:
            stored[f"{kind.name}.raw"] = raw_blocks(rng, kind, ROWS, COLUMNS)
        for name, data in stored.items():
            writer.add_tensor(name, data, raw_dtype=kind)
            expected[name] = gguf.quants.dequantize(data, kind).reshape(ROWS, COLUMNS).astype(np.float32)
    for kind in (Type.Q4_K, Type.Q5_K, Type.Q6_K):  # the package expands them, but does not quantise to them
        data = raw_blocks(rng, kind, SUPER_ROWS, SUPER_COLUMNS)
        writer.add_tensor(f"{kind.name}.raw", data, raw_dtype=kind)
        expected[f"{kind.name}.raw"] = gguf.quants.dequantize(data, kind).astype(np.float32)
    rng = np.random.default_rng(20261130)  # of its own: the bytes above stay as they were
    few = [(Type.IQ4_NL, ROWS, COLUMNS)] + [(kind, SUPER_ROWS, SUPER_COLUMNS) for kind in (
        Type.Q2_K, Type.Q3_K, Type.IQ4_XS, Type.TQ1_0, Type.TQ2_0)]
    for kind, rows, columns in few:
        data = raw_blocks(rng, kind, rows, columns)
        writer.add_tensor(f"{kind.name}.raw", data, raw_dtype=kind)
        expected[f"{kind.name}.raw"] = gguf.quants.dequantize(data, kind).reshape(rows, columns).astype(np.float32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, FOLDER / "expected.safetensors", metadata={"made_by": "make_quant.py"})


if __name__ == "__main__":
    main()
