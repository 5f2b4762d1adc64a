"""What the peers share: the model from its GGUF file, adapters, threads, and repetitions paced from outside.

A peer is a program of its own that does the work of one `ilora bench` command with PyTorch, transformers and PEFT.
compare.py starts both and lets them take turns: a line on standard input asks for one repetition, and the answer is
its seconds.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

DTYPES = ("f32", "bf16", "autocast")  # bf16: weights in bf16; autocast: f32 weights, bf16 products


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--adapter", type=Path, required=True, help="a PEFT folder")
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--expect", type=Path, help="what ilora computed; a difference ends the program")
    parser.add_argument("--only-check", action="store_true", help="stop after the comparison with --expect")
    return parser


def set_up():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    torch.manual_seed(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def load(args):
    """The frozen base model in float32 with the adapter `fast`."""
    base = AutoModelForCausalLM.from_pretrained(
        args.model.parent, gguf_file=args.model.name, dtype=torch.float32, attn_implementation="sdpa")
    return PeftModel.from_pretrained(base, args.adapter, adapter_name="fast", is_trainable=True)


def load_tokenizer(args):
    return AutoTokenizer.from_pretrained(args.model.parent, gguf_file=args.model.name)


def convert(model, dtype):
    """bf16: the base weights; the adapters stay in float32, as PEFT keeps them in training."""
    if dtype == "bf16":
        for name, parameter in model.named_parameters():
            if "lora_" not in name:
                parameter.data = parameter.data.to(torch.bfloat16)
    return model


def precision(dtype):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "autocast")


def relative(a, b):
    """|a - b| / |b| of two lists of tensors, taken as vectors."""
    difference = sum((x.double() - y.double()).square().sum() for x, y in zip(a, b, strict=True))
    return (difference / sum(y.double().square().sum() for y in b)).sqrt().item()


def require(what, measured, allowed):
    print(f"{what}: {measured:.2e} (allowed {allowed:.0e})", file=sys.stderr)
    if not measured <= allowed:
        sys.exit(f"the peer does not compute what ilora computes: {what} differs by {measured:.3e}, "
                 f"more than {allowed:.0e}")


def paced(work, warm_up, facts):
    """Answers each line on standard input with the seconds of one repetition, and ends with a line of facts."""
    for _ in range(warm_up):
        work()
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        work()
        print(time.perf_counter() - began, flush=True)
    print(json.dumps(facts))
