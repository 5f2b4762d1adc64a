"""What is compared on: rows of token ids, texts, and two adapters, the same files for both programs.

Ids and words are drawn from fixed seeds; only the lengths matter to the time. Steps hold about 2,048 tokens.
"""

import json
import random
from pathlib import Path

STEP_TOKENS, LABELS = 2048, 16
PUBLISHED_ROWS = 2  # of the workload: padded to 1,024 tokens, time per row depends on nothing else
LENGTHS = ("80", "256", "800", "mixed")

WORDS = """time year people way day man thing woman life child world school state family student group country problem
hand part place case week company system program question work government number night point home water room mother
area money story fact month lot right study book eye job word business issue side kind head house service friend father
power hour game line end member law car city community name president team minute idea body information back parent
face others level office door health person art war history party result change morning reason research girl guy moment
air teacher force education the of and a to in is that for on with as was at by from""".split()


def row(draw, prompt, answer):
    """`answer` counts the end token; a row of n tokens feeds n - 1."""
    return {"tokens": [draw.randrange(100, 30000) for _ in range(prompt + answer)], "prompt_length": prompt}


def lengths(name):
    """[prompt, answer] of each row of a step."""
    if name != "mixed":
        tokens = int(name)
        return [[tokens + 1 - LABELS, LABELS]] * max(2, 2 * round(STEP_TOKENS / tokens / 2))
    tasks = json.loads(Path(__file__).with_name("lengths.json").read_text())["tasks"]
    return sorted((task["rows_at"][len(task["rows_at"]) // 2] for task in tasks.values()), key=sum)


def step_rows(name, method, most=0):
    """Every second row is replayed, where the method replays; `most` rows at most."""
    draw = random.Random(1)
    rows = [row(draw, *pair) for pair in lengths(name)]
    if most:
        rows = rows[:: max(1, len(rows) // most)][:most]
    if method == "seq":
        return {"current": rows, "replayed": []}
    return {"current": rows[::2], "replayed": rows[1::2]}


def facts(rows):
    """Rows with gradient in a step, and the tokens that they feed."""
    everything = rows["current"] + rows["replayed"]
    return {"rows": len(everything), "tokens": sum(len(r["tokens"]) - 1 for r in everything)}


def texts(prompts, shortest, longest, options):
    """Prompts of about `shortest` to `longest` tokens (a word is nearly always one)."""
    draw = random.Random(2)
    spread = max(1, prompts - 1)
    return {"prompts": [" ".join(draw.choice(WORDS) for _ in range(shortest + (longest - shortest) * i // spread))
                        for i in range(prompts)],
            "options": options}


def make_adapters(model, folder):
    """Two PEFT adapters, `fast` and `slow`, near each other and not zero, of ilora's default shape."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    base = AutoModelForCausalLM.from_pretrained(model.parent, gguf_file=model.name, dtype=torch.float32)
    peft = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]))
    draw = torch.Generator().manual_seed(1)
    for name, spread in (("fast", 0.02), ("slow", 0.02)):
        with torch.no_grad():
            for key, parameter in peft.named_parameters():
                if "lora_" in key:
                    parameter.add_(spread * torch.randn(parameter.shape, generator=draw))
        peft.save_pretrained(folder / name)
