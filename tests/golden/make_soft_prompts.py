"""Writes tests/golden/soft-prompts/reference.json: soft prompts in front of rows of the tiny random Llama, as
transformers computes them from inputs_embeds: loss, gradient of every soft prompt, hidden states' mean, logits.

  python tests/golden/make_soft_prompts.py          (torch, transformers, peft; a second)

In float64, with the formulas of make_tiny_llama.py in the place of transformers' float32 corners. Rows run one at a
time: positions count from the first soft prompt, the answer's tokens alone carry labels.
"""

import json
from pathlib import Path

import make_tiny_llama as tiny
import torch

HERE = Path(__file__).resolve().parent / "soft-prompts"
PROMPTS = 6
PREFIXES = [[0, 1, 2, 3], [4, 2], [1, 0, 5, 1, 3]]  # of each row; 1 stands twice in the last
FROZEN = [4, 5]  # a second, frozen adapter holds these


def embedded(model, prompts, prefix, row):
    tokens = model.get_input_embeddings()(torch.tensor(row))
    return torch.cat([prompts[prefix], tokens])[None]


def forward(model, prompts, prefix, row):
    out = model(inputs_embeds=embedded(model, prompts, prefix, row), output_hidden_states=True, use_cache=False)
    return out.logits[0], out.hidden_states[-1][0]


def row_loss(model, prompts, prefix, row, answer):
    logits, _ = forward(model, prompts, prefix, row)
    return tiny.token_losses(logits[len(prefix):], row, answer).mean()


def main():
    torch.set_num_threads(1)
    tiny.use_float64_formulas()
    model = tiny.load()
    for p in model.parameters():
        p.requires_grad_(False)
    generator = torch.Generator().manual_seed(7)
    prompts = (0.3 * torch.randn((PROMPTS, 32), generator=generator)).double()
    prompts.requires_grad_(True)
    rows = json.loads((tiny.HERE / "reference.json").read_text())["rows"]
    losses = [row_loss(model, prompts, p, r, n) for p, r, n in zip(PREFIXES, rows, tiny.ANSWERS)]
    loss = torch.stack(losses).mean()
    (gradient,) = torch.autograd.grad(loss, prompts)
    gradient[FROZEN] = 0
    with torch.no_grad():
        logits = [forward(model, prompts, p, r)[0][-1].tolist() for p, r in zip(PREFIXES, rows)]
        queries = [forward(model, prompts, [], r)[1].mean(0).tolist() for r in rows]
    reference = {
        "prefixes": PREFIXES,
        "prompts": prompts.tolist(),
        "frozen": FROZEN,
        "row_losses": [x.item() for x in losses],
        "loss": loss.item(),
        "gradient": gradient.tolist(),
        "logits_last": logits,
        "mean_hidden": queries,
    }
    HERE.mkdir(exist_ok=True)
    text = json.dumps(reference, indent=None, separators=(",", ":")).replace("],\"", "],\n\"")
    (HERE / "reference.json").write_text(text + "\n")
    print({k: v for k, v in reference.items() if "loss" in k})


if __name__ == "__main__":
    main()
