"""The peer of `ilora bench step`: an optimiser step of seq, er or ilora with PyTorch, transformers and PEFT.

As published (--pad 1024): every row is padded to 1,024 tokens. At its best (--pad longest): rows are sorted by length
and run in micro-batches (--micro-batch rows) padded to their longest; rows of equal length need no mask. Either way
current and replayed rows share their batches, logits are computed at every position as transformers does, attention
is SDPA, and the frozen weights take no gradient. AdamW is PyTorch's fused one.

With --expect FOLDER the loss and the LoRA gradients of the first step, in float32, must equal those that
`ilora bench step --dump FOLDER` wrote.
"""

import json

import torch
from peft import PeftModel
from safetensors.torch import load_file

import common

TOLERANCE = 1e-3  # relative; float32 sums in another order


class Batch:
    """Rows as tensors: ids and labels (B,T), a mask or None, and which rows are replayed."""

    def __init__(self, rows, replayed, width):
        lengths = [len(row["tokens"]) - 1 for row in rows]  # the last token is only predicted
        width = width or max(lengths)
        self.ids = torch.zeros(len(rows), width, dtype=torch.long)
        self.labels = torch.full((len(rows), width), -100)  # labels[i]: the token behind position i
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for i, (row, length) in enumerate(zip(rows, lengths)):
            tokens = torch.tensor(row["tokens"])
            self.ids[i, :length] = tokens[:-1]
            first = row["prompt_length"] - 1
            self.labels[i, first:length] = tokens[first + 1:]
            mask[i, :length] = 1
        self.mask = None if mask.all() else mask
        self.replayed = torch.tensor(replayed)

    def replay_only(self):
        mask = None if self.mask is None else self.mask[self.replayed]
        return self.ids[self.replayed], mask


class Step:
    def __init__(self, model, batches, consistency):
        self.model = model
        self.batches = batches
        self.consistency = consistency
        self.distance_told = 0.0  # of the last gradient
        self.labels = sum((batch.labels != -100).sum() for batch in batches)
        self.replayed = sum(batch.replayed.sum() for batch in batches)
        self.fast = adapter_parameters(model, "fast")
        self.slow = adapter_parameters(model, "slow")
        self.optimizer = torch.optim.AdamW(self.fast.values(), lr=1e-4, weight_decay=0.0, fused=True)

    def hidden(self, ids, mask):
        """The last hidden states (B,T,D), behind the final norm: what the head sees."""
        return self.model.base_model.model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state

    def use(self, name):
        self.model.set_adapter(name)  # makes this adapter's parameters the only trained ones
        for parameter in self.fast.values():
            parameter.requires_grad_(True)

    def distance(self, fast, slow, labels):
        """Per row: |h - h'|^2 over |h'|^2, summed over the answer's positions; summed over rows."""
        answer = (labels != -100).unsqueeze(-1)
        fast, slow = fast.float(), slow.float()
        square = ((fast - slow).square() * answer).sum((1, 2))
        return (square / (slow.square() * answer).sum((1, 2))).sum()

    def loss(self, batch):
        slow = None
        if self.consistency and batch.replayed.any():
            self.use("slow")
            with torch.no_grad():
                slow = self.hidden(*batch.replay_only())
            self.use("fast")
        hidden = self.hidden(batch.ids, batch.mask)
        causal = self.model.base_model.model
        logits = causal.lm_head(hidden)
        # transformers' own loss: logits in float32, the sum over labelled tokens over their number in the step.
        loss = causal.loss_function(logits=logits, labels=None, shift_labels=batch.labels,
                                    vocab_size=causal.config.vocab_size, num_items_in_batch=self.labels)
        if slow is not None:
            term = self.distance(hidden[batch.replayed], slow, batch.labels[batch.replayed]) / self.replayed
            self.distance_told += term.item()
            loss = loss + term
        return loss

    def gradient(self, dtype):
        self.optimizer.zero_grad()
        total = self.distance_told = 0.0
        for batch in self.batches:
            with common.precision(dtype):
                loss = self.loss(batch)
            loss.backward()
            total += loss.item()
        return total

    def run(self, dtype):
        self.gradient(dtype)
        torch.nn.utils.clip_grad_norm_(self.fast.values(), 1.0)
        self.optimizer.step()
        if self.consistency:
            with torch.no_grad():
                torch._foreach_lerp_(list(self.slow.values()), list(self.fast.values()), 0.01)


def adapter_parameters(model, name):
    """Parameters of one adapter by the names that a PEFT folder gives them."""
    return {key.replace(f".{name}.", "."): parameter for key, parameter in model.named_parameters()
            if f".{name}." in key}


def check(step, folder):
    loss = step.gradient("f32")
    expected = json.loads((folder / "loss.json").read_text())
    gradients = load_file(folder / "adapter_model.safetensors")
    assert gradients.keys() == step.fast.keys()
    common.require("loss of the first step", abs(loss / expected["loss"] - 1), TOLERANCE)
    if step.consistency:  # far smaller than the cross-entropy of random rows, so it is compared by itself too
        common.require("consistency of the first step", abs(step.distance_told / expected["consistency"] - 1), TOLERANCE)
    common.require("LoRA gradients of the first step",
                   common.relative([p.grad for p in step.fast.values()], [gradients[k] for k in step.fast]), TOLERANCE)


def make_batches(path, pad, micro_batch):
    content = json.loads(path.read_text())
    rows = [(row, False) for row in content["current"]] + [(row, True) for row in content["replayed"]]
    if pad == "longest":
        rows.sort(key=lambda row: -len(row[0]["tokens"]))
    size = micro_batch or len(rows)
    width = None if pad == "longest" else int(pad)
    return [Batch([r for r, _ in rows[i:i + size]], [s for _, s in rows[i:i + size]], width)
            for i in range(0, len(rows), size)]


def main():
    parser = common.arguments(__doc__.split("\n")[0])
    parser.add_argument("--rows", type=common.Path, required=True)
    parser.add_argument("--method", choices=("seq", "er", "ilora"), required=True)
    parser.add_argument("--slow", type=common.Path, help="PEFT folder of the slow adapter")
    parser.add_argument("--pad", default="longest", help="longest, or a number of tokens")
    parser.add_argument("--micro-batch", type=int, default=0, help="rows that run at once; 0: all")
    args = parser.parse_args()
    common.set_up()
    model: PeftModel = common.load(args)
    if args.method == "ilora":
        model.load_adapter(args.slow, adapter_name="slow")
        model.set_adapter("fast")
    batches = make_batches(args.rows, args.pad, args.micro_batch)
    if args.expect:
        check(Step(model, batches, args.method == "ilora"), args.expect)
    if args.only_check:
        return
    common.convert(model, args.dtype)
    model.train()
    step = Step(model, batches, args.method == "ilora")
    facts = {"dtype": args.dtype, "pad": args.pad, "micro_batch": args.micro_batch,
             "padded_tokens": sum(batch.ids.numel() for batch in batches)}
    common.paced(lambda: step.run(args.dtype), args.warm_up, facts)


if __name__ == "__main__":
    main()
