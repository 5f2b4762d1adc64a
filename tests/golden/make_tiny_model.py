"""Writes tests/data/tiny-model/: a random Llama of two layers with the tiny tokenizer beside it, on which the tests of
whole runs train.

  python tests/golden/make_tiny_model.py            (torch, transformers; a few seconds)

The weights are drawn wide enough that hidden states differ from token to token and adapters find something to work
with; they are stored as float16, which the engine widens exactly.
"""

import shutil
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

DATA = Path(__file__).resolve().parent.parent / "data"
HERE = DATA / "tiny-model"


def main():
    config = LlamaConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        intermediate_size=64, vocab_size=1000, max_position_embeddings=128, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, tie_word_embeddings=True,
        bos_token_id=0, eos_token_id=2, torch_dtype="float32",
    )  # fmt: skip
    model = LlamaForCausalLM(config).float()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            p.copy_(1 + 0.1 * noise if "norm" in name else 0.3 * noise)
    HERE.mkdir(exist_ok=True)
    model.half().save_pretrained(HERE)
    (HERE / "generation_config.json").unlink(missing_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(DATA / "tiny-tokenizer" / name, HERE / name)


main()
