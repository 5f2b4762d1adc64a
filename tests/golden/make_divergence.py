"""Writes tests/golden/divergence/reference.json: what PyTorch says of the operations kl_divergence and
kl_divergence_backward (src/kernels/kernels.h).

  python tests/golden/make_divergence.py        (torch; seconds)

In float64 from float32 logits: torch.nn.functional.kl_div of log-softmaxes at a temperature, summed over the vocabulary,
and autograd's gradient of the rows' weighted sum. A teacher's null has no probability: -inf here, -1e30 in the test.
"""

import json
from pathlib import Path

import torch
from torch.nn.functional import kl_div, log_softmax

ROWS, VOCABULARY = 5, 23
SCALE = [1.0, 0.25, 2.5, 0.0, 0.5]
TEMPERATURES = [0.5, 1.0, 2.0]

generator = torch.Generator().manual_seed(20260102)
logits = 4 * torch.randn(ROWS, VOCABULARY, generator=generator)
teacher = 4 * torch.randn(ROWS, VOCABULARY, generator=generator)
teacher[1] = logits[1] + 1e-3 * teacher[1]  # a student that nearly is its teacher
logits, teacher = logits.double(), teacher.double()
teacher[2, ::3] = -torch.inf
teacher[4, torch.arange(VOCABULARY) != 7] = -torch.inf  # one token alone

cases = []
for temperature in TEMPERATURES:
    x = logits.clone().requires_grad_()
    q, p = log_softmax(x / temperature, dim=-1), log_softmax(teacher / temperature, dim=-1)
    known = torch.isfinite(p)
    terms = kl_div(q, torch.where(known, p, 0.0), reduction="none", log_target=True)
    loss = torch.where(known, terms, 0.0).sum(dim=-1)
    (loss * torch.tensor(SCALE, dtype=torch.float64)).sum().backward()
    cases.append({"temperature": temperature, "loss": loss.tolist(), "gradient": x.grad.tolist()})

out = Path(__file__).resolve().parent / "divergence" / "reference.json"
out.parent.mkdir(exist_ok=True)
known = [[value if value > -torch.inf else None for value in row] for row in teacher.tolist()]
out.write_text(json.dumps({"logits": logits.tolist(), "teacher": known, "scale": SCALE, "cases": cases}) + "\n")
