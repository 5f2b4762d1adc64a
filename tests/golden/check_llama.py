"""What llama.cpp makes of files that ilora wrote. Run by the test that looks for the environment variable ILORA_LLAMA
(an interpreter with llama-cpp-python), tests/golden/llama_exchange_test.cpp, or by hand:

  python check_llama.py --model MODEL.gguf [--lora LORA.gguf] --prompts FILE --tokens 64 --out FILE

FILE of the prompts is a list of lists of token ids. Written are, of each, {"logits": [...], "tokens": [...],
"margins": [...]}: the logits at the prompt's last token, a greedy continuation, and at each of its steps by how much the
largest logit exceeds the second. Keys and values are kept in float32, without flash attention.
"""
import argparse
import ctypes
import json
from pathlib import Path

import llama_cpp
import numpy as np

F32 = 0  # ggml's number of the type


def last_logits(model):
    pointer = llama_cpp.llama_get_logits_ith(model.ctx, -1)
    return np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), shape=(model.n_vocab(),)).copy()


def continuation(model, prompt, count):
    model.reset()
    model.eval(prompt)
    logits = last_logits(model)
    result = {"logits": logits.tolist(), "tokens": [], "margins": []}
    while len(result["tokens"]) < count:
        token = int(np.argmax(logits))
        best = np.partition(logits, -2)[-2:]
        result["tokens"].append(token)
        result["margins"].append(float(best[1] - best[0]))
        model.eval([token])
        logits = last_logits(model)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--lora")
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    prompts = json.loads(Path(options.prompts).read_text())
    context = max(map(len, prompts)) + options.tokens + 1
    model = llama_cpp.Llama(model_path=options.model, lora_path=options.lora, n_ctx=context, n_batch=context,
                            n_ubatch=context, n_threads=options.threads, n_threads_batch=options.threads, type_k=F32,
                            type_v=F32, flash_attn=False, verbose=False)  # fmt: skip
    results = [continuation(model, prompt, options.tokens) for prompt in prompts]
    Path(options.out).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
