"""The peer of `ilora bench eval`: the summed log-likelihood of each option, with the end token, behind each prompt.

--style rows: every (prompt, option) is a row of its own, rows sorted by length, batches padded to their longest: what
evaluation harnesses do. --style cache: the prompts of a batch run once, and each option continues from their
key/value cache, the best that transformers' interface allows.
"""

import json

import torch

import common

TOLERANCE = 1e-3


@torch.no_grad()
def score_rows(model, prompts, options, end, batch):
    rows = [(len(p) + len(o), i, j) for i, p in enumerate(prompts) for j, o in enumerate(options)]
    rows.sort(reverse=True)
    result = [[0.0] * len(options) for _ in prompts]
    for first in range(0, len(rows), batch):
        part = rows[first:first + batch]
        width = part[0][0]
        ids = torch.zeros(len(part), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for k, (length, i, j) in enumerate(part):
            ids[k, :length] = torch.tensor(prompts[i] + options[j])
            mask[k, :length] = 1
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        for k, (length, i, j) in enumerate(part):
            targets = torch.tensor(options[j] + [end])
            scores = logits[k, length - len(targets):length].float().log_softmax(-1)
            result[i][j] = scores.gather(1, targets[:, None]).sum().item()
    return result


@torch.no_grad()
def score_cached(model, prompts, options, end, batch):
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    result = [[0.0] * len(options) for _ in prompts]
    for first in range(0, len(order), batch):
        part = order[first:first + batch]
        width = len(prompts[part[0]])
        ids = torch.zeros(len(part), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for k, i in enumerate(part):  # padded on the left, so that options stand side by side
            ids[k, width - len(prompts[i]):] = torch.tensor(prompts[i])
            mask[k, width - len(prompts[i]):] = 1
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
        cache, last = out.past_key_values, out.logits[:, -1:]
        for j, option in enumerate(options):
            length = len(option)
            more = torch.tensor(option).expand(len(part), length)
            out = model(input_ids=more, past_key_values=cache, use_cache=True,
                        attention_mask=torch.cat([mask, torch.ones_like(more)], 1),
                        position_ids=positions[:, -1:] + 1 + torch.arange(length))
            cache.crop(-length)
            scores = torch.cat([last, out.logits], 1).float().log_softmax(-1)  # (B,length+1,V)
            targets = torch.tensor(option + [end]).expand(len(part), length + 1)
            sums = scores.gather(2, targets[:, :, None]).sum((1, 2))
            for k, i in enumerate(part):
                result[i][j] = sums[k].item()
    return result


def main():
    parser = common.arguments(__doc__.split("\n")[0])
    parser.add_argument("--texts", type=common.Path, required=True)
    parser.add_argument("--style", choices=("rows", "cache"), default="cache")
    parser.add_argument("--batch", type=int, default=16, help="rows (or prompts) that run at once")
    args = parser.parse_args()
    common.set_up()
    tokenizer = common.load_tokenizer(args)
    texts = json.loads(args.texts.read_text())
    prompts = [tokenizer(text, add_special_tokens=False).input_ids for text in texts["prompts"]]
    options = [tokenizer(text, add_special_tokens=False).input_ids for text in texts["options"]]
    model = common.load(args).eval()
    score = score_rows if args.style == "rows" else score_cached

    def work():
        with common.precision(args.dtype):
            return score(model, prompts, options, tokenizer.eos_token_id, args.batch)

    if args.expect:
        expected = torch.tensor(json.loads(args.expect.read_text())["likelihoods"])
        measured = torch.tensor(score(model, prompts, options, tokenizer.eos_token_id, args.batch))
        common.require("likelihoods", common.relative([measured], [expected]), TOLERANCE)
    if args.only_check:
        return
    common.convert(model, args.dtype)
    common.paced(work, args.warm_up, {"dtype": args.dtype, "style": args.style, "batch": args.batch})


if __name__ == "__main__":
    main()
