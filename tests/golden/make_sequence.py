"""Writes tests/golden/sequence/: the losses of every step of the methods on three tasks of ten steps each, from a plain
PyTorch implementation of the papers, to which the program's own runs are held (sequence_test.cpp).

  python tests/golden/make_sequence.py            (torch, transformers, safetensors, scipy; half a minute)

Model and tasks are tests/data/tiny-model and tiny-tasks. Which rows a step trains on and which it replays is chance, so
it is read: sequence/order.json holds the rows' tokens and, per step, the rows' numbers (sequence_test.cpp writes it
where ILORA_WRITE_ORDER names a file, and otherwise checks that the program still draws the same). Everything else is
computed here, in float64: LoRA, gradients, AdamW's schedule, memories, the Fisher information, the projections.
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from scipy.optimize import nnls
from transformers import LlamaForCausalLM

HERE = Path(__file__).resolve().parent / "sequence"
MODEL = Path(__file__).resolve().parent.parent / "data" / "tiny-model"
TARGETS = ["q_proj", "v_proj", "gate_proj", "down_proj"]
RANK, ALPHA = 4, 8
RATE, WARM_UP, DECAY, CLIP = 0.01, 0.1, 0.01, 1.0
TASKS, STEPS = 3, 10
LAMBDA, MARGIN, GAMMA = 20.0, 0.5, 1.0
DISTIL, TEMPERATURE = 1.0, 2.0
SOUP, SOUPS = 0.25, 0.25  # sfa: the earlier adapter's share, averages in a task's steps
DARK, LABELS, TOP = 0.7, 0.4, 8  # derpp: alpha, beta, logits kept


class Lora(torch.nn.Module):
    """y = W x + alpha/r B A x (Hu et al. 2021)."""

    def __init__(self, base, generator):
        super().__init__()
        self.base = base
        bound = 1 / math.sqrt(base.in_features)
        a = (torch.rand(RANK, base.in_features, generator=generator) * 2 - 1) * bound
        b = torch.randn(base.out_features, RANK, generator=generator) * 0.02
        self.a, self.b = (torch.nn.Parameter(x.float().double()) for x in (a, b))

    def forward(self, x):
        return self.base(x) + ALPHA / RANK * (x @ self.a.T @ self.b.T)


def adapted_model():
    model = LlamaForCausalLM.from_pretrained(MODEL, attn_implementation="eager").double().eval()
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(11)
    adapters = {}
    for l, layer in enumerate(model.model.layers):
        for parent in ("self_attn", "mlp"):
            block = getattr(layer, parent)
            for name in TARGETS:
                if hasattr(block, name):
                    lora = Lora(getattr(block, name), generator)
                    setattr(block, name, lora)
                    adapters[f"base_model.model.model.layers.{l}.{parent}.{name}"] = lora
    return model, adapters


def write_start(adapters):
    """The adapter that every run starts from, as a PEFT folder."""
    folder = HERE / "start"
    folder.mkdir(exist_ok=True)
    tensors = {}
    for name, lora in adapters.items():
        tensors[f"{name}.lora_A.weight"] = lora.a.detach().float()
        tensors[f"{name}.lora_B.weight"] = lora.b.detach().float()
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.0,
              "target_modules": TARGETS, "bias": "none", "base_model_name_or_path": "tests/data/tiny-model"}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


class Learner:
    """The adapted model, its trained values as one flat vector, and the losses of rows."""

    def __init__(self, rows):
        self.model, adapters = adapted_model()
        self.params = [p for lora in adapters.values() for p in (lora.a, lora.b)]
        self.rows = rows

    def values(self):
        return torch.cat([p.detach().flatten() for p in self.params])

    def set(self, flat):
        with torch.no_grad():
            for p, part in zip(self.params, flat.split([p.numel() for p in self.params])):
                p.copy_(part.view_as(p))

    def label_logits(self, row):
        tokens = torch.tensor([row["tokens"][:-1]])
        return self.model(input_ids=tokens, use_cache=False).logits[0, row["prompt"] - 1 :]

    def label_losses(self, row):
        labels = torch.tensor(row["tokens"][row["prompt"] :])
        return torch.nn.functional.cross_entropy(self.label_logits(row), labels, reduction="none")

    def loss(self, numbers):
        return torch.stack([self.label_losses(self.rows[i]).mean() for i in numbers]).mean()

    def states(self, number):
        """What the head reads at the positions that predict the answer."""
        row = self.rows[number]
        tokens = torch.tensor([row["tokens"][:-1]])
        return self.model.model(input_ids=tokens, use_cache=False).last_hidden_state[0, row["prompt"] - 1 :]

    def gradient(self, loss):
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, self.params)])


def rate(step):
    warm = math.ceil(WARM_UP * STEPS)
    return RATE * (step + 1) / warm if step < warm else RATE * (1 - (step - warm) / max(1, STEPS - warm))


class Naive:
    """seq; what the others override."""

    def __init__(self, learner, order):
        self.learner, self.order, self.figures = learner, order, []

    def loss(self, task, step, current):
        return self.learner.loss(current)

    def edit(self, gradient):
        return gradient

    def after(self, step):
        pass

    def begin_task(self, task):
        pass

    def end_task(self, task, rows):
        pass

    def run(self):
        losses = []
        for task in range(TASKS):
            self.begin_task(task)
            optimiser = torch.optim.AdamW(self.learner.params, lr=RATE, weight_decay=DECAY)
            for s in range(STEPS):
                step = task * STEPS + s
                loss = self.loss(task, step, self.order["current"][step])
                flat = self.edit(self.learner.gradient(loss))
                for p, part in zip(self.learner.params, flat.split([p.numel() for p in self.learner.params])):
                    p.grad = part.view_as(p).clone()
                torch.nn.utils.clip_grad_norm_(self.learner.params, CLIP)
                optimiser.param_groups[0]["lr"] = rate(s)
                optimiser.step()
                losses.append(loss.item())
                self.after(step + 1)
            self.end_task(task, sorted({i for batch in self.order["current"][task * STEPS :][:STEPS] for i in batch}))
        return losses


class Replay(Naive):
    """er: one mean over current and replayed rows."""

    def loss(self, task, step, current):
        return self.learner.loss(current + self.order["replayed"][step])


class Ilora(Replay):
    """Replay, consistency with a slow learner on replayed rows, the slow learner's interpolation."""

    def __init__(self, learner, order):
        super().__init__(learner, order)
        self.slow = learner.values()

    def loss(self, task, step, current):
        loss, replayed = super().loss(task, step, current), self.order["replayed"][step]
        if not replayed:
            return loss
        fast = self.learner.values()
        self.learner.set(self.slow)
        with torch.no_grad():
            teacher = [self.learner.states(i) for i in replayed]
        self.learner.set(fast)
        # set() wrote the same values back, but autograd counts that as a change: the loss anew.
        loss = super().loss(task, step, current)
        terms = [(self.learner.states(i) - t).pow(2).sum() / t.pow(2).sum() for i, t in zip(replayed, teacher)]
        return loss + GAMMA * torch.stack(terms).mean()

    def after(self, step):
        share = min(1 - 1 / (step + 1), 2 ** (-1 / STEPS))
        self.slow = share * self.slow + (1 - share) * self.learner.values()


class Lwf(Naive):
    """weight T^2 KL(before || now) beside the loss, on its rows: before, the values that the task began with."""

    def loss(self, task, step, current):
        if task == 0:
            self.figures.append(0.0)
            return super().loss(task, step, current)
        now = self.learner.values()
        if step % STEPS == 0:
            self.before = now
        rows = [self.learner.rows[i] for i in current]
        self.learner.set(self.before)
        with torch.no_grad():
            told = [torch.softmax(self.learner.label_logits(row) / TEMPERATURE, -1) for row in rows]
        self.learner.set(now)
        says = [torch.log_softmax(self.learner.label_logits(row) / TEMPERATURE, -1) for row in rows]
        terms = [torch.nn.functional.kl_div(q, p, reduction="batchmean") for q, p in zip(says, told)]
        term = DISTIL * TEMPERATURE**2 * torch.stack(terms).mean()
        self.figures.append(term.item())
        return super().loss(task, step, current) + term


class Ewc(Naive):
    """lambda/2 sum_t F_t (theta - theta_t)^2, F_t the mean over a task's rows of squared gradients of log p(answer)."""

    def __init__(self, learner, order):
        super().__init__(learner, order)
        self.anchors = []

    def loss(self, task, step, current):
        theta = torch.cat([p.flatten() for p in self.learner.params])
        penalty = sum((LAMBDA / 2 * (f * (theta - anchor) ** 2).sum() for f, anchor in self.anchors), torch.zeros(()))
        self.figures.append(penalty.item())
        return self.learner.loss(current) + penalty

    def end_task(self, task, rows):
        squares = [self.learner.gradient(self.learner.label_losses(self.learner.rows[i]).sum()) ** 2 for i in rows]
        self.anchors.append((torch.stack(squares).mean(0), self.learner.values()))


class Gem(Naive):
    """The dual of GEM's quadratic programme, as non-negative least squares."""

    def __init__(self, learner, order):
        super().__init__(learner, order)
        self.memory = []

    def edit(self, gradient):
        kept = [self.learner.gradient(self.learner.loss(rows)) for rows in self.memory]
        violated = sum(bool(gradient @ g < 0) for g in kept)
        self.figures.append(violated)
        if not violated:
            return gradient
        g = torch.stack(kept)
        base = gradient + MARGIN * g.sum(0)
        above, _ = nnls(g.T.numpy(), -base.numpy())
        return base + torch.from_numpy(above) @ g

    def end_task(self, task, rows):
        self.memory.append(rows)


class AGem(Gem):
    def edit(self, gradient):
        rows = [i for task in self.memory for i in task]
        if not rows:
            self.figures.append(0)
            return gradient
        r = self.learner.gradient(self.learner.loss(rows))
        product = gradient @ r
        self.figures.append(int(product < 0))
        return gradient - product / (r @ r) * r if product < 0 else gradient


class DerPlus(Naive):
    """Current cross-entropy + alpha KL(top logits kept || now) + beta cross-entropy on the replayed rows."""

    def __init__(self, learner, order):
        super().__init__(learner, order)
        self.kept = {}

    def loss(self, task, step, current):
        loss, replayed = self.learner.loss(current), self.order["replayed"][step]
        if not replayed:
            self.figures.append(0.0)
            return loss
        terms = []
        for i in replayed:
            logits, tokens = self.kept[i]
            says = torch.log_softmax(self.learner.label_logits(self.learner.rows[i]), -1).gather(1, tokens)
            told = torch.log_softmax(logits, -1)
            terms.append((told.exp() * (told - says)).sum(-1).mean())
        term = DARK * torch.stack(terms).mean()
        self.figures.append(term.item())
        return loss + term + LABELS * self.learner.loss(replayed)

    def after(self, step):
        for i in self.order["current"][step - 1]:
            if i not in self.kept:  # a task's first epoch: rows enter once
                with torch.no_grad():
                    self.kept[i] = tuple(self.learner.label_logits(self.learner.rows[i]).topk(TOP))


class Sfa(Naive):
    """theta <- (1 - beta) theta + beta theta_before, after each share of a task's steps, and at its end."""

    def begin_task(self, task):
        self.before, self.task = self.learner.values(), task

    def after(self, step):
        step = (step - 1) % STEPS + 1
        due = {math.ceil(n * SOUPS * STEPS - 1e-9) for n in range(1, STEPS + 1)} | {STEPS}
        if self.task > 0 and step in due:
            self.learner.set((1 - SOUP) * self.learner.values() + SOUP * self.before)
        self.figures.append(float((self.learner.values() - self.before).norm()) if self.task > 0 else 0.0)


class Slao(Naive):
    """Orthonormal A by QR before each later task; merged: the newest A, B's average with weights 1/sqrt(task)."""

    def begin_task(self, task):
        if task == 0:
            self.merged = self.learner.values()
            return
        with torch.no_grad():
            for a in self.learner.params[::2]:
                q, r = torch.linalg.qr(a.T)
                a.copy_((q * torch.sign(torch.diagonal(r))).T)

    def after(self, step):
        self.figures.append(float((self.learner.values() - self.merged).norm()))

    def end_task(self, task, rows):
        sizes = [p.numel() for p in self.learner.params]
        fast, merged = self.learner.values().split(sizes), self.merged.split(sizes)
        share = (task + 1) ** -0.5
        self.merged = torch.cat([f if i % 2 == 0 else m + share * (f - m) for i, (f, m) in enumerate(zip(fast, merged))])


class Merge(Ewc):
    """pm without perturbation: v + a (theta - v), a the minimum of the tasks' summed quadratic forms."""

    def begin_task(self, task):
        self.before, self.task = self.learner.values(), task

    def loss(self, task, step, current):
        return self.learner.loss(current)

    def after(self, step):
        self.figures.append(float((self.learner.values() - self.before).norm()))

    def end_task(self, task, rows):
        super().end_task(task, rows)
        if task == 0:
            return
        moved = self.learner.values() - self.before
        above = sum((moved * f * (end - self.before)).sum() for f, end in self.anchors)
        below = sum((moved * f * moved).sum() for f, _ in self.anchors)
        share = float(min(max(above / below, torch.tensor(0.0)), torch.tensor(1.0)))
        print("        share", share)
        self.learner.set(self.before + share * moved)


class Ogd(Naive):
    """Gradients lose their part along the span of earlier tasks' gradients of log p(answer)."""

    def __init__(self, learner, order):
        super().__init__(learner, order)
        self.kept = []

    def edit(self, gradient):
        if not self.kept:
            self.figures.append(0.0)
            return gradient
        basis, _ = torch.linalg.qr(torch.stack(self.kept).T)
        removed = basis @ (basis.T @ gradient)
        self.figures.append(float(removed.norm() / gradient.norm()))
        return gradient - removed

    def end_task(self, task, rows):
        kept = [self.learner.gradient(self.learner.label_losses(self.learner.rows[i]).sum()) for i in rows]
        self.kept += [g / g.norm() for g in kept]


def main():
    torch.set_num_threads(1)
    order = json.loads((HERE / "order.json").read_text())
    write_start(adapted_model()[1])
    settings = {"lora.targets": ",".join(TARGETS), "train.learning_rate": RATE, "train.warm_up": WARM_UP,
                "train.weight_decay": DECAY, "train.clip": CLIP, "ewc.lambda": LAMBDA, "gem.margin": MARGIN,
                "ilora.gamma": GAMMA, "lwf.weight": DISTIL, "lwf.temperature": TEMPERATURE,
                "sfa.beta": SOUP, "sfa.every": SOUPS, "derpp.alpha": DARK, "derpp.beta": LABELS,
                "derpp.top_k": TOP}  # fmt: skip
    reference = {"settings": settings, "methods": {}}
    methods = {"seq": Naive, "er": Replay, "lwf": Lwf, "ilora": Ilora, "ewc": Ewc, "gem": Gem, "agem": AGem,
               "derpp": DerPlus, "sfa": Sfa, "slao": Slao, "pm": Merge, "ogd": Ogd}  # fmt: skip
    for name, method in methods.items():
        run = method(Learner(order["rows"]), order)
        losses = run.run()
        reference["methods"][name] = {"losses": losses, "figures": run.figures}
        print(f"{name:6}", " ".join(f"{x:.3f}" for x in losses))
        print("      ", run.figures)
    (HERE / "reference.json").write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main()
