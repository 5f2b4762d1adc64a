"""Holds how ilora reads conversations against transformers and TRL, template by template. Run by hand:

  python check_chat.py --ilora BINARY [--family NAME ...]       (transformers, trl, torch)
  python check_chat.py --ilora BINARY --template FILE --end '<|im_end|>'

TRL has the chat templates of many families, and of each a twin that marks the assistant's turns for its
`assistant_only_loss`. Neither is ours to ship, so nothing of them is kept here. For each family, ten conversations:

- under the twin, tokens and labels of `ilora data show` are to equal apply_chat_template's and its assistant mask;
- under the family's own template, they are to equal the twin's up to each answer's end token (some twins also mark the
  line feed behind it), in the twin's tokens.

A template of a file of yours has no twin: tokens are to equal apply_chat_template's, and labels what stands between the text
that asks for an answer and the first special token.

The tokenizer is that of tests/data, with the special tokens that a template writes. Prints a line per family and ends
with exit status 1 where something differs; a template that ilora refuses is named with its reason.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
import trl
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TESTS = Path(__file__).resolve().parent.parent
TEMPLATES = Path(trl.__file__).parent / "chat_templates"
FAMILIES = ["qwen2_5", "qwen3", "qwen3_instruct_2507", "llama3", "llama3_1", "gemma", "gemma3", "phi3", "phi3_5", "cohere",
            "cohere2", "deepseekv3", "deepseek_r1_distill", "lfm2", "lfm2_v2", "glm4moe", "gptoss", "qwen3_5_nothink"]
MARKS = re.compile(r"<\|[a-z_]+\|>|<｜[^｜]+｜>|<(?:start|end)_of_turn>|<\|[A-Z_]+\|>")
FILE_MARKS = re.compile(r"<\|[a-z_]+\|>|\[\|[a-z]+\|\]|</?think>")


WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def conversations():
    turn = lambda role, text: {"role": role, "content": text}
    talk = lambda *texts: [turn("user" if i % 2 == 0 else "assistant", t) for i, t in enumerate(texts)]
    return [
        talk("Hi", "Hello there."),
        talk("What is 2+2?", "4", "Sure?", "Yes, it is 4."),
        [turn("system", "Be brief.")] + talk("Who are you?", "A program."),
        [turn("system", "Answer in German.")] + talk("Yes?", "Ja", "No?", "Nein", "Maybe?", "Vielleicht"),
        talk("line one\nline two", "first\n\nsecond", "more", "third\nfourth"),
        talk("größer 你好 🙂", "kleiner 再见 🙁", "ok", "gut"),
        talk("def f(x):\n    return x", "def g(x):\n    return f(x) + 1", "why?", "because"),
        talk("user", "assistant", "system", "model"),
        talk('quote " and \' and \\', "{{ braces }} {% no %}", "a < b && c > d", "<b>bold</b>"),
        talk("1", "one", "2", "two", "3", "three", "4", "four", "5", "five"),
    ]


def make_model(folder, template, marks, end=None):
    """A random model whose tokenizer knows the marks, and keeps line feeds apart from words, as those of most families do."""
    data = json.loads((TESTS / "data/tiny-tokenizer/tokenizer.json").read_text())
    data["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}
    known = {token["content"] for token in data["added_tokens"]}
    last = max(list(data["model"]["vocab"].values()) + [token["id"] for token in data["added_tokens"]])
    for mark in sorted(marks - known):
        last += 1
        data["added_tokens"].append({"id": last, "content": mark, "single_word": False, "lstrip": False, "rstrip": False,
                                     "normalized": False, "special": True})
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(data))
    config = json.loads((TESTS / "data/tiny-tokenizer/tokenizer_config.json").read_text())
    config["chat_template"] = template
    if end:
        config["eos_token"] = end
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    torch.manual_seed(1)
    LlamaForCausalLM(LlamaConfig(vocab_size=last + 1, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                                 num_attention_heads=4, max_position_embeddings=4096)).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), bos_token="<|endoftext|>",
                                        eos_token=config.get("eos_token", "<|im_end|>"))
    tokenizer.chat_template = template
    return tokenizer


def ours(binary, model, work, messages):
    task = work / "task"
    shutil.rmtree(task, ignore_errors=True)
    task.mkdir()
    for split in ("train", "test"):
        (task / f"{split}.json").write_text(json.dumps([{"messages": messages}]))
    run = subprocess.run([binary, "data", "show", task, "--model", model, "--template", "chat", "--json"], capture_output=True,
                         text=True)
    return json.loads(run.stdout) if run.returncode == 0 else run.stderr.strip()


def theirs(tokenizer, messages):
    out = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    return out["input_ids"], out["assistant_masks"]


def until_last(ids, mask):
    """A row ends at its last label."""
    end = len(mask) - mask[::-1].index(1)
    return ids[:end], mask[:end]


def up_to_ends(tokenizer, ids, mask):
    """The labels of each answer's text up to the first special token: what some twins mark around it is left out, line feeds
    behind the end and (Qwen2.5's) the one that ends the header."""
    special = {t for t, a in tokenizer.added_tokens_decoder.items() if a.special}
    mask, text = list(mask), False
    for i in range(len(ids)):
        if not mask[i]:
            text = False
        elif not text and not mask[i - 1] and tokenizer.decode([ids[i]]) == "\n":
            mask[i] = 0
        elif ids[i] not in special:
            text = True
        elif text:
            for j in range(i + 1, len(ids)):
                if not mask[j]:
                    break
                mask[j] = 0
    return until_last(ids, mask)


def by_prefixes(tokenizer, messages):
    """Tokens and labels of a template without a twin: behind what asks for an answer, up to the first special token."""
    text = lambda some, ask: tokenizer.apply_chat_template(some, tokenize=False, add_generation_prompt=ask)
    whole = text(messages, False)
    out = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    ids, mask = out["input_ids"], [0] * len(out["input_ids"])
    special = {t for t, a in tokenizer.added_tokens_decoder.items() if a.special}
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = text(messages[:i], True)
        assert whole.startswith(before)
        for t, (begin, _) in enumerate(out["offset_mapping"]):
            if begin >= len(before):
                mask[t] = 1
                if ids[t] in special:
                    break
    return until_last(ids, mask)


def check(binary, family, work):
    template = (TEMPLATES / f"{family}.jinja").read_text()
    base = re.sub(r"_1$", "", family)
    twin_file = TEMPLATES / f"{family}_training.jinja"
    if not twin_file.exists():
        twin_file = TEMPLATES / f"{base}_training.jinja"
    twin = twin_file.read_text()
    work = work / family
    work.mkdir()
    marks = set(MARKS.findall(template + twin))
    own_tokenizer, twin_tokenizer = make_model(work / "own", template, marks), make_model(work / "twin", twin, marks)
    same_twin = same_own = refused = 0
    problem = ""
    for messages in conversations():
        try:
            ids, mask = theirs(twin_tokenizer, messages)
        except Exception as error:  # the template refuses system turns
            if "ystem" not in str(error):
                raise
            assert isinstance(ours(binary, work / "twin", work, messages), str)
            refused += 1
            continue
        expected = until_last(list(ids), list(mask))
        got = ours(binary, work / "twin", work, messages)
        if isinstance(got, str):
            problem = problem or f"twin: {got.splitlines()[0]}"
        elif (got["tokens"], got["learned"]) == expected:
            same_twin += 1
        else:
            problem = problem or f"twin: {messages[0]['content']!r} {got['parts']} against {twin_tokenizer.decode(expected[0])!r} {expected[1]}"
        got = ours(binary, work / "own", work, messages)
        plain = own_tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"]
        expected = by_prefixes(own_tokenizer, messages) if family == "llama3_1" else up_to_ends(twin_tokenizer, *expected)
        if isinstance(got, str):
            problem = problem or f"own: {got.splitlines()[0]}"
        elif (got["tokens"], got["learned"]) == expected:
            same_own += 1
        else:
            problem = problem or (f"own: {got['parts']} against {twin_tokenizer.decode(expected[0])!r} {expected[1]}; "
                                  f"its own template: {own_tokenizer.decode(plain)!r}")
    asked = len(conversations()) - refused
    fine = same_twin == asked and same_own == asked
    print(f"{family:<20} twin {same_twin}/{asked} own {same_own}/{asked}"
          + (f", {refused} refused by the template" if refused else "") + (f"\n    {problem[:1500]}" if not fine else ""), flush=True)
    return fine


def check_file(binary, file, end, work):
    template = file.read_text()
    tokenizer = make_model(work / "own", template, set(FILE_MARKS.findall(template)) | {end}, end)
    same, problem = 0, ""
    for messages in conversations():
        got = ours(binary, work / "own", work, messages)
        if isinstance(got, str):
            problem = problem or got.splitlines()[0]
        elif (got["tokens"], got["learned"]) == by_prefixes(tokenizer, messages):
            same += 1
        else:
            problem = problem or f"{got['parts']} against {tokenizer.apply_chat_template(messages, tokenize=False)!r}"
    print(f"{file.name}: {same}/{len(conversations())} {problem[:1500]}", flush=True)
    return same == len(conversations())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ilora", required=True)
    parser.add_argument("--family", nargs="*", default=FAMILIES)
    parser.add_argument("--template", type=Path, help="a chat_template.jinja")
    parser.add_argument("--end", default="<|im_end|>", help="with --template: the end token")
    options = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as work:
        if options.template:
            sys.exit(0 if check_file(Path(options.ilora).resolve(), options.template, options.end, Path(work)) else 1)
        results = [check(Path(options.ilora).resolve(), family, Path(work)) for family in options.family]
    sys.exit(0 if all(results) else 1)


main()
