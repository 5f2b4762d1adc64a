#!/usr/bin/env python3
"""How much of a merged F16 file's difference in llama.cpp is the rounding to halves: PyTorch computes each part alone.

  ilora export ADAPTER --to gguf --type f32 --model BASE.gguf --out f32.gguf      # and --type f16 --out f16.gguf
  bench/peers/halves.py f32.gguf f16.gguf [--llama PYTHON]

The largest and the root mean square difference of a logit after eight prompts: of the weights rounded alone, of the
activations of each product rounded alone (llama.cpp rounds them where the weights are halves), of two runs with rounded
activations that noise of 2e-7 sets apart, and of llama.cpp from each file in float32. Needs torch, transformers and gguf; PYTHON
is an interpreter with llama-cpp-python.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

PROMPTS = ["The capital of France is", "Once upon a time there was a", "def fibonacci(n):", "Is a whale a fish?", "Water boils at",
           "Die Hauptstadt von Deutschland ist", "The three primary colours are red,", "To make bread you need"]


def theirs(python, model, prompts):
    script = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "check_llama.py"
    with tempfile.TemporaryDirectory() as folder:
        given, out = pathlib.Path(folder) / "prompts.json", pathlib.Path(folder) / "out.json"
        given.write_text(json.dumps(prompts))
        subprocess.run([python, script, "--model", model, "--prompts", given, "--tokens", "0", "--out", out], check=True)
        return [one["logits"] for one in json.loads(out.read_text())]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("f32", type=pathlib.Path)
    arguments.add_argument("f16", type=pathlib.Path)
    arguments.add_argument("--llama", metavar="PYTHON")
    a = arguments.parse_args()

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(a.f32.parent, gguf_file=a.f32.name)
    prompts = [tokenizer(text)["input_ids"] for text in PROMPTS]

    def logits(path, seed=None, rounded=False):
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
        noise = torch.Generator().manual_seed(seed or 0)

        def halves(module, inputs):
            x = inputs[0]
            return ((x if seed is None else x * (1 + 2e-7 * torch.randn(x.shape, generator=noise))).half().float(),)

        for module in model.modules():
            if rounded and isinstance(module, torch.nn.Linear):
                module.register_forward_pre_hook(halves)
        with torch.no_grad():
            return torch.cat([model(torch.tensor([prompt])).logits[0, -1].double() for prompt in prompts])

    def tell(what, x, y):
        print(f"{what}: largest {float((x - y).abs().max()):.2e}, root mean square {float((x - y).square().mean().sqrt()):.2e}", flush=True)

    exact, weights = logits(a.f32), logits(a.f16)
    print(f"the largest logit: {float(exact.abs().max()):.1f}")
    tell("weights rounded", weights, exact)
    tell("activations rounded", logits(a.f32, rounded=True), exact)
    tell("both", logits(a.f16, rounded=True), exact)
    tell("two with rounded activations, apart by noise", logits(a.f16, 1, True), logits(a.f16, 2, True))
    if a.llama:
        for name, path, own in (("f32", a.f32, exact), ("f16", a.f16, weights)):
            there = torch.tensor(sum(theirs(a.llama, path, prompts), []), dtype=torch.float64)
            tell(f"llama.cpp with {name}, from the same weights here", there, own)
            tell(f"llama.cpp with {name}, from what is exact", there, exact)


if __name__ == "__main__":
    main()
