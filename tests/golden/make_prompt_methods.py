"""Writes tests/golden/soft-prompts/methods.json: progressive prompts (pp) and learning to prompt (l2p) on the tiny
random Llama, two tasks of ten AdamW steps each, written anew with torch.autograd from the papers' equations.

  python tests/golden/make_prompt_methods.py        (torch, transformers, peft; half a minute)

In float64, with the formulas of make_tiny_llama.py in the place of transformers' float32 corners. Rows run one at a
time; the loss is the mean over a batch's rows of the mean over a row's answer tokens. A task's optimiser starts anew.
"""

import json
from pathlib import Path

import make_tiny_llama as tiny
import torch
from torch.nn.functional import cosine_similarity

HERE = Path(__file__).resolve().parent / "soft-prompts"
TASKS, STEPS, ROWS, BATCH, WIDTH = 2, 10, 8, 4, 32
RATE, CLIP = 0.03, 1.0
PP = {"length": 3}
L2P = {"pool": 6, "length": 2, "chosen": 2, "weight": 0.5}
# The same with queries less their mean over all tasks so far, keys at a third of the rate, and the penalty on keys
# that earlier tasks chose often.
CENTRED = {**L2P, "key_rate": 1 / 3}


def make_rows(generator):
    """Rows of a task: ids from its own half of the vocabulary, and how many of the last ones are the answer."""
    tasks = []
    for task in range(TASKS):
        rows = []
        for i in range(ROWS):
            ids = torch.randint(64 * task, 64 * (task + 1), (6 + i % 4,), generator=generator).tolist()
            rows.append({"tokens": ids, "answer": 1 + i % 3})
        tasks.append(rows)
    return tasks


def row_loss(model, prefix, row):
    tokens = model.get_input_embeddings()(torch.tensor(row["tokens"]))
    embedded = torch.cat([prefix, tokens])[None]
    logits = model(inputs_embeds=embedded, use_cache=False).logits[0, len(prefix):]
    return tiny.token_losses(logits, row["tokens"], row["answer"]).mean()


def query(model, row):
    """Mean of the final hidden states over the prompt's tokens, without any soft prompt."""
    prompt = row["tokens"][: -row["answer"]]
    with torch.no_grad():
        out = model(input_ids=torch.tensor([prompt]), output_hidden_states=True, use_cache=False)
    return out.hidden_states[-1][0].mean(0)


def train(parameters, rows, loss_of, key_rate=1.0):
    """Ten steps; loss_of(batch) gives the terms of the loss by name. The last parameter learns at key_rate * RATE."""
    groups = [{"params": parameters[:-1]}, {"params": parameters[-1:], "lr": key_rate * RATE}]
    optimiser = torch.optim.AdamW(groups, lr=RATE, weight_decay=0.0)
    steps = []
    for step in range(STEPS):
        batch = [rows[(step * BATCH + i) % ROWS] for i in range(BATCH)]
        optimiser.zero_grad()
        terms, more = loss_of(batch)
        sum(terms.values()).backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP).item()
        optimiser.step()
        steps.append({**{k: v.item() for k, v in terms.items()}, "gradient_norm": norm, **more})
    return steps


def random_prompts(generator, *shape):
    return (0.3 * torch.randn(shape, generator=generator)).float().double()


def progressive(model, tasks, generator):
    learned, result = [], []  # learned: the latest first
    for rows in tasks:
        start = random_prompts(generator, PP["length"], WIDTH)
        prompt = start.clone().requires_grad_(True)
        prefix = lambda: torch.cat([prompt, *learned])  # noqa: B023, E731
        loss = lambda batch: ({"cross_entropy": torch.stack([row_loss(model, prefix(), r) for r in batch]).mean()}, {})
        steps = train([prompt], rows, loss)
        learned.insert(0, prompt.detach().clone())
        result.append({"start": start.tolist(), "steps": steps})
    final = [row_loss(model, torch.cat(learned[TASKS - 1 - t:]), tasks[t][0]).item() for t in range(TASKS)]
    return {**PP, "tasks": result, "first_row_losses": final}


def prompt_pool(model, tasks, generator, options):
    n, length, chosen, weight = (options[k] for k in ("pool", "length", "chosen", "weight"))
    centred = "key_rate" in options
    centre, earlier = torch.zeros(WIDTH, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    starts = {"prompts": random_prompts(generator, n * length, WIDTH), "keys": random_prompts(generator, n, WIDTH)}
    prompts, keys = (starts[k].clone().requires_grad_(True) for k in ("prompts", "keys"))

    def loss(batch):
        cross_entropy, pull, picks = [], [], []
        for row in batch:
            similarity = cosine_similarity((query(model, row) - centre)[None], keys)
            distance = 1 - similarity.detach()
            if centred:
                distance = distance * (earlier + 1) / (earlier + 1).sum()
            nearest = distance.topk(chosen, largest=False).indices
            prefix = prompts.reshape(n, length, WIDTH)[nearest].reshape(-1, WIDTH)
            cross_entropy.append(row_loss(model, prefix, row))
            pull.append((1 - similarity[nearest]).sum())
            picks.append(nearest.tolist())
        terms = {"cross_entropy": torch.stack(cross_entropy).mean(), "keys": weight * torch.stack(pull).mean()}
        return terms, {"chosen": picks}

    result, texts = [], []
    for rows in tasks:
        texts += [query(model, row) for row in rows]
        if centred:
            centre = torch.stack(texts).mean(0)
        result.append({"steps": train([prompts, keys], rows, loss, options.get("key_rate", 1.0))})
        for step in result[-1]["steps"]:
            for key in (key for row in step["chosen"] for key in row):
                earlier[key] += 1
    starts = {k: v.tolist() for k, v in starts.items()}
    return {**options, **starts, "tasks": result}


def main():
    torch.set_num_threads(1)
    tiny.use_float64_formulas()
    model = tiny.load()
    for p in model.parameters():
        p.requires_grad_(False)
    generator = torch.Generator().manual_seed(11)
    tasks = make_rows(generator)
    reference = {
        "rate": RATE, "clip": CLIP, "batch": BATCH, "rows": tasks,
        "pp": progressive(model, tasks, generator), "l2p": prompt_pool(model, tasks, generator, L2P),
        "l2p_centred": prompt_pool(model, tasks, generator, CENTRED),
    }  # fmt: skip
    text = json.dumps(reference, separators=(",", ":")).replace("},{", "},\n{")
    (HERE / "methods.json").write_text(text + "\n")
    for name in ("pp", "l2p", "l2p_centred"):
        for task in reference[name]["tasks"]:
            print(name, [round(s["cross_entropy"], 4) for s in task["steps"]], task["steps"][-1].get("chosen"))


if __name__ == "__main__":
    main()
