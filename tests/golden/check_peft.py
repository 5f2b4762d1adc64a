"""Holds ilora's adapters against PEFT on the same base model, in both directions. Run by hand, or by the test that
looks for the environment variable ILORA_PYTHON (an interpreter with torch, transformers, peft).

  python check_peft.py compare --base BASE --adapter FOLDER --logits FILE [--tolerance 2e-3]
      loads an adapter written by ilora into PEFT and compares its logits with those ilora wrote:
      FILE is {"ids":[...],"logits_last":[...]}, or a list of such objects. Exit status 1 beyond the tolerance.

  python check_peft.py make --base BASE --out FOLDER [--modules q_proj,v_proj] [--r 8] [--alpha 16] [--rslora]
                            [--virtual-tokens 0] [--ids 504,3575,...] [--seed 1] [--set JSON]
      makes a PEFT adapter with random, non-zero A and B in FOLDER (with --virtual-tokens: prompt tuning, random), and
      FOLDER/logits.json in the same format, for ilora to reproduce. JSON has further options of LoraConfig, or others.

BASE is a Hugging Face folder or a .gguf file; everything runs in float32.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM


def load_base(path):
    path = Path(path)
    if path.suffix == ".gguf":
        return AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)


@torch.no_grad()
def logits_last(model, ids):
    return model.eval()(input_ids=torch.tensor([ids])).logits[0, -1]


def compare(options):
    written = json.loads(Path(options.logits).read_text())
    cases = written if isinstance(written, list) else [written]
    base = load_base(options.base)
    plain = [logits_last(base, c["ids"]) for c in cases]
    model = PeftModel.from_pretrained(base, options.adapter)
    worst = changed = 0.0
    for case, without in zip(cases, plain):
        expected = logits_last(model, case["ids"])
        got = torch.tensor(case["logits_last"])
        if got.shape != expected.shape:
            sys.exit(f"[logits_last] expected {expected.numel()} values, got {got.numel()} ({options.logits})")
        difference = (got - expected).abs().max().item()
        effect = (expected - without).abs().max().item()
        worst, changed = max(worst, difference), max(changed, effect)
        print(f"{len(case['ids'])} tokens: largest difference {difference:.3e}, effect of the adapter {effect:.3e}")
    print(f"largest difference {worst:.3e}, tolerance {options.tolerance:g}")
    if changed <= options.tolerance:
        sys.exit("the adapter changes the logits by less than the tolerance: nothing was tested")
    return 0 if worst <= options.tolerance else 1


def make(options):
    chosen = {"r": options.r, "lora_alpha": options.alpha, "target_modules": options.modules.split(","),
              "use_rslora": options.rslora} | json.loads(options.set)  # fmt: skip
    config = LoraConfig(**({"bias": "none", "task_type": "CAUSAL_LM"} | chosen))
    if options.virtual_tokens:
        config = PromptTuningConfig(num_virtual_tokens=options.virtual_tokens, task_type="CAUSAL_LM")
    model = get_peft_model(load_base(options.base), config)
    generator = torch.Generator().manual_seed(options.seed)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.copy_(0.02 * torch.randn(p.shape, generator=generator))
    model.peft_config["default"].base_model_name_or_path = Path(options.base).name
    model.save_pretrained(options.out)
    ids = [int(i) for i in options.ids.split(",")]
    result = {"ids": ids, "logits_last": logits_last(model, ids).tolist()}
    (Path(options.out) / "logits.json").write_text(json.dumps(result) + "\n")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("compare")
    one.add_argument("--base", required=True)
    one.add_argument("--adapter", required=True)
    one.add_argument("--logits", required=True)
    one.add_argument("--tolerance", type=float, default=2e-3)
    one.set_defaults(run=compare)
    two = commands.add_parser("make")
    two.add_argument("--base", required=True)
    two.add_argument("--out", required=True)
    two.add_argument("--modules", default="q_proj,v_proj")
    two.add_argument("--virtual-tokens", type=int, default=0)
    two.add_argument("--r", type=int, default=8)
    two.add_argument("--alpha", type=int, default=16)
    two.add_argument("--rslora", action="store_true")
    two.add_argument("--ids", default="5,17,3,44,90,8")
    two.add_argument("--seed", type=int, default=1)
    two.add_argument("--set", default="{}")
    two.set_defaults(run=make)
    options = parser.parse_args()
    sys.exit(options.run(options))


if __name__ == "__main__":
    main()
