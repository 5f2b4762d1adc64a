"""Writes tests/golden/tiny-llama/: a tiny random Llama in Hugging Face's format, LoRA adapters saved by PEFT, and the
reference values that the C++ engine is held to (logits, hidden states, losses, every LoRA gradient, AdamW steps, the
consistency term of I-LoRA, distillation of logits).

  python tests/golden/make_tiny_llama.py            (torch, transformers, peft, safetensors; a few seconds)

Everything is computed in float64 and stored as float32 (losses as JSON doubles). transformers computes parts of Llama
in float32 whatever the dtype (norm, rotary angles, attention's softmax); they are replaced here by the same formulas
in float64, and the result is compared with the untouched model in float32 before anything is written. Rows run one at
a time, so no padding is involved.
"""

import json
import math
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama import modeling_llama

HERE = Path(__file__).resolve().parent / "tiny-llama"
LENGTHS = (7, 12, 5)  # tokens of each row
ANSWERS = (2, 4, 1)  # the last so many tokens of each row are its answer, the only labels
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAMW = dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
CLIP, STEPS, GAMMA = 1.0, 10, 0.5
TEMPERATURE, DISTILLATION, TOP_K = 2.0, 0.3, 5


def tiny_config(tied):
    return LlamaConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        intermediate_size=64, vocab_size=128, max_position_embeddings=64, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, tie_word_embeddings=tied,
        bos_token_id=0, eos_token_id=1, attn_implementation="eager", torch_dtype="float32",
    )  # fmt: skip


def tiny_model(tied, seed):
    model = LlamaForCausalLM(tiny_config(tied)).float().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            p.copy_(1 + 0.1 * noise if "norm" in name else 0.2 * noise)
    return model


def write_models(untied, tied):
    for name, model in (("model", untied), ("tied", tied)):
        model.save_pretrained(HERE / name)
    # The older spelling of config.json, as most published models have it: rope_theta at the top level.
    path = HERE / "tied" / "config.json"
    config = json.loads(path.read_text())
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    config["rope_scaling"] = None
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    # The same weights in two shards.
    state = {k: v.contiguous() for k, v in untied.state_dict().items()}
    names = sorted(state)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    folder = HERE / "sharded"
    folder.mkdir(exist_ok=True)
    shutil.copy(HERE / "model" / "config.json", folder / "config.json")
    weight_map = {}
    for file, keys in parts.items():
        save_file({k: state[k] for k in keys}, folder / file, metadata={"format": "pt"})
        weight_map.update({k: file for k in keys})
    total = sum(v.numel() * 4 for v in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    for name in ("model", "tied", "sharded"):
        (HERE / name / "generation_config.json").unlink(missing_ok=True)


def write_adapter(name, seed, modules, rslora):
    """A PEFT adapter with random, non-zero A and B, saved by peft itself."""
    base = LlamaForCausalLM.from_pretrained(HERE / "model", attn_implementation="eager")
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=modules, use_rslora=rslora, bias="none",
                        task_type="CAUSAL_LM")  # fmt: skip
    model = get_peft_model(base, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.requires_grad:
                p.copy_(torch.randn(p.shape, generator=generator) * (0.1 if "lora_A" in key else 0.05))
    model.peft_config["default"].base_model_name_or_path = "tests/golden/tiny-llama/model"
    folder = HERE / f"adapter-{name}"
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"  # peft keeps the modules in a set: fix their order
    config = json.loads(path.read_text())
    config["target_modules"] = modules
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


# --- Llama's float32 corners, in the dtype of the model ---------------------------------------------------------------


def norm_forward(self, x):
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def rotary_forward(self, x, position_ids):
    exponents = torch.arange(0, self.config.head_dim, 2, dtype=torch.float64) / self.config.head_dim
    frequencies = 1.0 / self.config.rope_parameters["rope_theta"] ** exponents
    angles = position_ids[..., None].double() * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(x.dtype), angles.sin().to(x.dtype)


def attention_forward(module, query, key, value, attention_mask, scaling, dropout=0.0, **_):
    key = modeling_llama.repeat_kv(key, module.num_key_value_groups)
    value = modeling_llama.repeat_kv(value, module.num_key_value_groups)
    scores = query @ key.transpose(2, 3) * scaling
    tokens = scores.shape[-1]
    scores = scores.masked_fill(torch.ones(tokens, tokens, dtype=torch.bool).triu(1), -math.inf)
    return (scores.softmax(-1) @ value).transpose(1, 2).contiguous(), None


def use_float64_formulas():
    modeling_llama.LlamaRMSNorm.forward = norm_forward
    modeling_llama.LlamaRotaryEmbedding.forward = rotary_forward
    modeling_llama.eager_attention_forward = attention_forward


# --- forward passes and losses ----------------------------------------------------------------------------------------


def load(adapter=None, dtype=torch.float64, folder="model"):
    model = LlamaForCausalLM.from_pretrained(HERE / folder, attn_implementation="eager")
    if adapter:
        model = PeftModel.from_pretrained(model, HERE / f"adapter-{adapter}", is_trainable=True)
    return model.to(dtype).eval()


def forward(model, row):
    out = model(input_ids=torch.tensor([row]), output_hidden_states=True, use_cache=False)
    return out.logits[0], torch.stack([h[0] for h in out.hidden_states])  # (T,V), (L+1,T,D)


def answer_positions(row, answer):
    """Positions whose logits predict a token of the answer."""
    return list(range(len(row) - answer - 1, len(row) - 1))


def token_losses(logits, row, answer):
    positions = answer_positions(row, answer)
    targets = torch.tensor([row[i + 1] for i in positions])
    return torch.nn.functional.cross_entropy(logits[positions], targets, reduction="none")


def cross_entropy(model, rows, reduction):
    losses = [token_losses(forward(model, row)[0], row, n) for row, n in zip(rows, ANSWERS)]
    if reduction == "sequence":
        return torch.stack([x.mean() for x in losses]).mean()
    return torch.cat(losses).mean()


def consistency(fast, slow, rows):
    """Mean over rows of: mean squared difference of hidden[L] at the answer positions over the slow mean square."""
    terms = []
    for row, n in zip(rows, ANSWERS):
        positions = answer_positions(row, n)
        student = forward(fast, row)[1][-1][positions]
        with torch.no_grad():
            teacher = forward(slow, row)[1][-1][positions]
        terms.append((student - teacher).pow(2).mean() / teacher.pow(2).mean())
    return torch.stack(terms).mean()


def trained(model):
    """PEFT's own names, as in adapter_model.safetensors."""
    return {k.replace(".default", ""): p for k, p in model.named_parameters() if p.requires_grad}


def gradients(model, loss):
    names, params = zip(*trained(model).items())
    return dict(zip(names, torch.autograd.grad(loss, params)))


def adamw_steps(adapter, rows):
    model = load(adapter)
    params = trained(model)
    optimiser = torch.optim.AdamW(params.values(), **ADAMW)
    losses, norms = [], []
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = cross_entropy(model, rows, "sequence")
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(params.values(), CLIP).item())
        optimiser.step()
        losses.append(loss.item())
    return losses, norms, params


def add(tensors, prefix, values):
    for key, value in values.items():
        tensors[f"{prefix}.{key}"] = value.detach()


def case(adapter, rows, tensors):
    model = load(adapter)
    result = {}
    for i, row in enumerate(rows):
        logits, hidden = forward(model, row)
        add(tensors, adapter, {f"logits.{i}": logits, f"hidden.{i}": hidden})
    for reduction in ("sequence", "token"):
        loss = cross_entropy(model, rows, reduction)
        result[f"loss_{reduction}"] = loss.item()
        add(tensors, f"{adapter}.grad.{reduction}", gradients(model, loss))
    result["row_losses"] = [token_losses(forward(model, r)[0], r, n).mean().item() for r, n in zip(rows, ANSWERS)]
    losses, norms, final = adamw_steps(adapter, rows)
    result["adamw_losses"], result["adamw_gradient_norms"] = losses, norms
    add(tensors, f"{adapter}.final", final)
    return result


def ilora_case(rows, tensors):
    fast, slow = load("qv"), load("slow")
    result = {"gamma": GAMMA}
    term = consistency(fast, slow, rows)
    result["consistency"] = term.item()
    add(tensors, "ilora.grad.consistency", gradients(fast, term))
    total = cross_entropy(fast, rows, "sequence") + GAMMA * consistency(fast, slow, rows)
    result["total"] = total.item()
    add(tensors, "ilora.grad.total", gradients(fast, total))
    result["row_consistency"] = []
    for i in range(len(rows)):
        part = consistency_of_row(fast, slow, rows[i], ANSWERS[i])
        result["row_consistency"].append(part)
    for i, row in enumerate(rows):
        tensors[f"slow.hidden.{i}"] = forward(slow, row)[1].detach()
    return result


def consistency_of_row(fast, slow, row, answer):
    positions = answer_positions(row, answer)
    with torch.no_grad():
        a, b = (forward(m, row)[1][-1][positions] for m in (fast, slow))
    return ((a - b).pow(2).mean() / b.pow(2).mean()).item()


def answer_logits(model, row, answer):
    return forward(model, row)[0][answer_positions(row, answer)]


def divergence(student, teacher):
    """t^2 KL(teacher || student) at temperature t, for each position."""
    p, q = ((x / TEMPERATURE).log_softmax(-1) for x in (teacher, student))
    return TEMPERATURE**2 * torch.nn.functional.kl_div(q, p, reduction="none", log_target=True).sum(-1)


def mean_over_rows(terms):
    return torch.stack([x.mean() for x in terms]).mean()


def distillation_case(rows, tensors):
    """Student qv, teacher slow; whole logits, rows that the teacher predicts better, the k largest logits."""
    student, teacher = load("qv"), load("slow")
    with torch.no_grad():
        taught = [answer_logits(teacher, r, n) for r, n in zip(rows, ANSWERS)]
    result = {"temperature": TEMPERATURE, "weight": DISTILLATION}

    def terms(targets):
        return [divergence(answer_logits(student, r, n), t) for r, n, t in zip(rows, ANSWERS, targets)]

    def tell(name, loss):
        result[name] = loss.item()
        add(tensors, f"distillation.grad.{name}", gradients(student, loss))

    result["rows"] = [x.sum().item() for x in terms(taught)]  # summed over a row's labels
    tell("sequence", mean_over_rows(terms(taught)))
    tell("token", torch.cat(terms(taught)).mean())
    tell("total", cross_entropy(student, rows, "sequence") + DISTILLATION * mean_over_rows(terms(taught)))

    losses = [[token_losses(forward(m, r)[0], r, n).mean().item() for r, n in zip(rows, ANSWERS)] for m in (teacher, student)]
    result["better"] = [t <= s for t, s in zip(*losses)]
    assert True in result["better"] and False in result["better"]
    tell("only_better", mean_over_rows([x * b for x, b in zip(terms(taught), result["better"])]))

    top = [t.topk(TOP_K) for t in taught]
    result["top_k"] = TOP_K
    result["top_tokens"] = [t.indices.tolist() for t in top]
    result["top_logits"] = [t.values.tolist() for t in top]
    kept = [torch.full_like(t, -1e30).scatter(1, x.indices, x.values) for t, x in zip(taught, top)]
    tell("top", mean_over_rows(terms(kept)))
    return result


def main():
    torch.set_num_threads(1)
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    write_models(tiny_model(False, 1), tiny_model(True, 2))
    write_adapter("qv", 3, ["q_proj", "v_proj"], rslora=False)
    write_adapter("all", 4, SEVEN, rslora=True)
    write_adapter("slow", 5, ["q_proj", "v_proj"], rslora=False)
    generator = torch.Generator().manual_seed(6)
    rows = [torch.randint(0, 128, (n,), generator=generator).tolist() for n in LENGTHS]

    untouched = {a: [forward(load(a, torch.float32), r)[0] for r in rows] for a in (None, "qv", "all", "slow")}
    use_float64_formulas()
    for adapter, logits in untouched.items():
        model = load(adapter)
        for row, expected in zip(rows, logits):
            difference = (forward(model, row)[0] - expected).abs().max().item()
            assert difference < 1e-4, (adapter, difference)

    tensors = {}
    for folder in ("model", "tied"):
        model = load(folder=folder)
        for i, row in enumerate(rows):
            logits, hidden = forward(model, row)
            add(tensors, f"base-{folder}", {f"logits.{i}": logits, f"hidden.{i}": hidden})
    reference = {
        "rows": rows,
        "answer_tokens": list(ANSWERS),
        "answer_positions": [answer_positions(r, n) for r, n in zip(rows, ANSWERS)],
        "adamw": {**ADAMW, "clip": CLIP, "steps": STEPS, "reduction": "sequence"},
        "cases": {name: case(name, rows, tensors) for name in ("qv", "all")},
        "ilora": ilora_case(rows, tensors),
        "distillation": distillation_case(rows, tensors),
    }
    save_file({k: v.float().contiguous() for k, v in sorted(tensors.items())}, HERE / "reference.safetensors")
    (HERE / "reference.json").write_text(json.dumps(reference, indent=1) + "\n")
    for name, values in reference["cases"].items():
        print(name, json.dumps(values))
    for name in ("ilora", "distillation"):
        print(name, json.dumps(reference[name]))


if __name__ == "__main__":
    main()
