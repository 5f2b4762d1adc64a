"""The peer of `ilora bench generate`: greedy answers of a fixed number of tokens by transformers' generate().

Prompts are padded on the left; no token ends an answer early, so both programs make the same number of tokens.
"""

import json

import torch

import common

# Greedy answers part where two logits nearly tie. The first tokens must agree in nearly all of the answers.
FIRST_TOKENS, AGREEING = 8, 0.9


def agreement(measured, expected):
    same = [a[:FIRST_TOKENS] == b[:FIRST_TOKENS] for a, b in zip(measured, expected, strict=True)]
    return sum(same) / len(same)


def main():
    parser = common.arguments(__doc__.split("\n")[0])
    parser.add_argument("--texts", type=common.Path, required=True)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    common.set_up()
    tokenizer = common.load_tokenizer(args)
    texts = json.loads(args.texts.read_text())["prompts"]
    prompts = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    model = common.load(args).eval()
    model.generation_config.eos_token_id = None

    @torch.no_grad()
    def work(dtype):
        answers = []
        for first in range(0, len(prompts), args.batch):
            part = prompts[first:first + args.batch]
            width = max(map(len, part))
            ids = torch.zeros(len(part), width, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for k, prompt in enumerate(part):
                ids[k, width - len(prompt):] = torch.tensor(prompt)
                mask[k, width - len(prompt):] = 1
            with common.precision(dtype):
                out = model.generate(input_ids=ids, attention_mask=mask, do_sample=False, pad_token_id=0,
                                     max_new_tokens=args.max_new_tokens)
            answers += out[:, width:].tolist()
        return answers

    if args.expect:
        share = agreement(work("f32"), json.loads(args.expect.read_text())["answers"])
        common.require(f"share of answers with other first {FIRST_TOKENS} tokens", 1 - share, 1 - AGREEING)
    if args.only_check:
        return
    common.convert(model, args.dtype)
    common.paced(lambda: work(args.dtype), args.warm_up, {"dtype": args.dtype, "batch": args.batch})


if __name__ == "__main__":
    main()
