#!/usr/bin/env python3
"""Writes the expected token ids of tests/golden/tokenizers/, and the tiny tokenizer of tests/data/.

Reference: Hugging Face `tokenizers` 0.23, `sentencepiece` 0.2 and `transformers` 5 (for chat templates). Usage:

    make_tokenizers.py [--gguf SmolLM2-135M-Instruct.gguf] [--shared FOLDER] [--train]

Without --gguf the files of SmolLM2 stay as they are; without --shared (a folder with gpt2/, llama3/, qwen3/ and
mistral/, each with its tokenizer.json, and llama2/ with its tokenizer.model) those of these families do. --train makes the tiny tokenizer anew from corpus.json.
An expected-ids file holds, line by line of corpus.json, `plain` (special tokens in the text are text), `special`
(only the lines whose ids differ when special tokens are parsed) and `decoded` (ids, text with and without special
tokens). Of vocabularies with byte fallback no ids are decoded that are not UTF-8: there `tokenizers` writes a U+FFFD for
each byte of a run, which ilora does not.
"""
import argparse
import json
import random
import re
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
OUT = HERE / "tokenizers"
TINY = HERE.parent / "data" / "tiny-tokenizer"
CORPUS = json.loads((OUT / "corpus.json").read_text(encoding="utf-8"))

CHATML_SMOLLM = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def smollm_pipeline(tokenizer):
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")


def expected(tokenizer):
    def encode(text, parse_special):
        tokenizer.encode_special_tokens = not parse_special
        return tokenizer.encode(text, add_special_tokens=False).ids

    plain = [encode(text, False) for text in CORPUS]
    special = {str(i): ids for i, text in enumerate(CORPUS) if (ids := encode(text, True)) != plain[i]}
    rng = random.Random(7)
    size = tokenizer.get_vocab_size()
    decoded = []
    for i in range(40):
        # Small ids are single bytes and special tokens: their mixtures are often not UTF-8.
        ids = [rng.randrange(min(size, 300) if i % 2 else size) for _ in range(rng.randrange(1, 12))]
        decoded.append([ids, tokenizer.decode(ids, skip_special_tokens=True),
                        tokenizer.decode(ids, skip_special_tokens=False)])
    return {"plain": plain, "special": special, "decoded": decoded}


def train_tiny():
    tokenizer = Tokenizer(models.BPE())
    smollm_pipeline(tokenizer)
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    later = [AddedToken("[MASK]", lstrip=True, normalized=False), AddedToken("[SEP]", rstrip=True, normalized=False),
             AddedToken("qux", single_word=True, normalized=False), AddedToken("<extra>", normalized=True),
             AddedToken("<extra_long>", normalized=True)]
    trainer = trainers.BpeTrainer(
        vocab_size=1000 - len(later), special_tokens=specials, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator([text for text in CORPUS if "qux" not in text], trainer)
    tokenizer.add_tokens(later)
    assert tokenizer.get_vocab_size() == 1000, tokenizer.get_vocab_size()
    write(TINY / "tokenizer.json", json.loads(tokenizer.to_str()))
    config = {"add_bos_token": False, "bos_token": "<|endoftext|>", "eos_token": "<|im_end|>",
              "unk_token": "<|endoftext|>", "pad_token": "<|im_end|>", "clean_up_tokenization_spaces": False,
              "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 1024, "chat_template": CHATML_SMOLLM}
    (TINY / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def expected_pieces(encode, decode, size, space, special):
    """As expected(), for a vocabulary with byte fallback; `encode` takes special tokens as text, `space` is a token."""
    plain = [encode(text) for text in CORPUS]
    rng = random.Random(7)
    decoded = []
    for ids in rng.sample([ids for ids in plain if len(ids) > 3], 20):
        begin = rng.randrange(len(ids) // 2)
        decoded.append(ids[begin:])
    decoded += [[rng.randrange(259, size) for _ in range(rng.randrange(1, 12))] for _ in range(20)]
    decoded += [[1, *plain[3], 2], [space], [space, space], [1, space, 13], [68, 35, 68]]  # 13, 35 and 68: bytes
    triples = [[ids, decode(ids, True), decode(ids, False)] for ids in decoded]
    return {"plain": plain, "special": special, "decoded": [t for t in triples if "\ufffd" not in t[1]]}


def tokenizers_encoder(tokenizer):
    def encode(text, parse_special=False):
        tokenizer.encode_special_tokens = not parse_special
        return tokenizer.encode(text, add_special_tokens=False).ids

    return encode


def mistral(path):
    tokenizer = Tokenizer.from_file(str(path))
    encode = tokenizers_encoder(tokenizer)
    special = {str(i): ids for i, text in enumerate(CORPUS) if (ids := encode(text, True)) != encode(text)}
    return expected_pieces(encode, lambda ids, skip: tokenizer.decode(ids, skip_special_tokens=skip),
                           tokenizer.get_vocab_size(), tokenizer.token_to_id("\u2581"), special)


def metaspace(path):
    """Mistral's vocabulary with the pre-tokenizer that newer converters write in place of the normalizer."""
    texts = ["", " ", "  ", "a", " a", "a b", "a  b ", "<s>a b", "<s> a b", " x<s> y", "a</s>b</s> c", "</s>", "\n a",
             "\u2581a \u2581", "Größe 中文 😀", "one two three four"]
    cases = []
    for scheme in ("first", "always", "never"):
        for split in (False, True):
            tree = json.loads(path.read_text(encoding="utf-8"))
            tree["normalizer"] = None
            tree["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": split}
            encode = tokenizers_encoder(Tokenizer.from_str(json.dumps(tree)))
            cases.append({"pre_tokenizer": tree["pre_tokenizer"], "plain": [encode(text) for text in texts],
                          "special": [encode(text, True) for text in texts]})
    return {"texts": texts, "cases": cases}


def llama2(path):
    from sentencepiece import SentencePieceProcessor

    model = SentencePieceProcessor(model_file=str(path))

    def decode(ids, skip_special):  # SentencePiece always skips control tokens
        return model.decode(ids) if skip_special or not {1, 2} & set(ids) else None

    def encode_special(text):  # as transformers' tokenizer does: each part between the tokens is a text
        ids = []
        for part in re.split("(<unk>|<s>|</s>)", text):
            ids += [model.piece_to_id(part)] if part in ("<unk>", "<s>", "</s>") else model.encode(part)
        return ids

    special = {str(i): ids for i, text in enumerate(CORPUS) if (ids := encode_special(text)) != model.encode(text)}
    result = expected_pieces(model.encode, decode, model.vocab_size(), model.piece_to_id("\u2581"), special)
    result["decoded"] = [entry for entry in result["decoded"] if entry[2] is not None]
    return result


def from_gguf(path):
    import gguf

    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    smollm_pipeline(tokenizer)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True)
                                  for t, kind in zip(tokens, types) if kind == gguf.TokenType.CONTROL])
    assert tokenizer.get_vocab_size() == len(tokens)
    return tokenizer


def splits():
    """Split with every behaviour: pieces of some texts, as pre_tokenize_str gives them."""
    texts = ["one-two--three", "--a-", "a1b22 c333", "", "x", "12", " a  b ", "é1-ü", "a-\n-b"]
    patterns = ["-", "\\p{N}+", "\\s+", "(?i:a|b)", "[^\\s\\p{L}\\p{N}]+[\\r\\n]*", "x*"]
    behaviours = {"Isolated": "isolated", "Removed": "removed", "MergedWithPrevious": "merged_with_previous",
                  "MergedWithNext": "merged_with_next", "Contiguous": "contiguous"}
    cases = []
    for pattern in patterns:
        for name, behaviour in behaviours.items():
            for invert in (False, True):
                split = pre_tokenizers.Split(Regex(pattern), behaviour, invert)
                pieces = [[piece for piece, _ in split.pre_tokenize_str(text)] for text in texts]
                cases.append({"pattern": pattern, "behavior": name, "invert": invert, "pieces": pieces})
    return {"texts": texts, "cases": cases}


def chat():
    from transformers import PreTrainedTokenizerFast

    no_system = ("{% for message in messages %}\n{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
                 "'<|im_end|>' + '\\n'}}{% endfor %}\n{% if add_generation_prompt %}"
                 "{{ '<|im_start|>assistant\\n' }}{% endif %}\n")
    double_quotes = ('{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}'
                     '{% for message in messages %}{{"<|im_start|>" + message["role"] + "\\n" + message["content"] + '
                     '"<|im_end|>" + "\\n"}}{% endfor %}{% if add_generation_prompt %}'
                     '{{ "<|im_start|>assistant\\n" }}{% endif %}')
    spaced = ("{%- for message in messages -%}\n  {%- if loop.first and messages[0]['role'] != 'system' -%}\n"
              "    {{- '<|im_start|>system\\nIt\\'s \"quoted\".<|im_end|>\\n' -}}\n  {%- endif -%}\n"
              "  {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}\n"
              "{%- endfor -%}\n{%- if add_generation_prompt -%}\n  {{- '<|im_start|>assistant\\n' -}}\n{%- endif -%}\n")
    users = ["Hello", "What is 2+2?\nAnswer briefly.", " spaces kept ", "", "Größe 中文 😀 \"q\" 'q' {{ x }}", "a\n\nb\n"]
    cases = []
    for template in (CHATML_SMOLLM, no_system, double_quotes, spaced):
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(TINY / "tokenizer.json"))
        tokenizer.chat_template = template
        for user in users:
            messages = [{"role": "user", "content": user}]
            prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            messages.append({"role": "assistant", "content": "It is four."})
            exchange = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
            cases.append({"template": template, "user": user, "prompt": prompt, "answer": "It is four.",
                          "exchange": exchange})
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf")
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--train", action="store_true")
    args = parser.parse_args()
    if args.train:
        train_tiny()
    write(OUT / "tiny.json", expected(Tokenizer.from_file(str(TINY / "tokenizer.json"))))
    write(OUT / "splits.json", splits())
    write(OUT / "chat.json", chat())
    if args.gguf:
        write(OUT / "smollm2.json", expected(from_gguf(args.gguf)))
    if args.shared:
        for name in ("gpt2", "llama3", "qwen3"):
            write(OUT / f"{name}.json", expected(Tokenizer.from_file(str(args.shared / name / "tokenizer.json"))))
        path = args.shared / "mistral" / "tokenizer.json"
        write(OUT / "mistral.json", mistral(path))
        write(OUT / "metaspace.json", metaspace(path))
        write(OUT / "llama2.json", llama2(args.shared / "llama2" / "tokenizer.model"))


if __name__ == "__main__":
    main()
