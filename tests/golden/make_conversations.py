"""Writes tests/golden/chat/conversations.json: conversations of several turns in chat templates of several kinds, and which
of the text the assistant says.

  python tests/golden/make_conversations.py [--shared FOLDER]            (transformers, jinja2)

The templates are those of make_chat.py and some more of our own: two that mark the assistant's text by {% generation %}, one
around the text and its end, one around the header too; and one that writes an empty reasoning before the last answer alone,
with a twin that writes it before each. What is expected comes from

- transformers' render_jinja_template(return_assistant_tokens_mask=True), where the template has marks;
- else from prefixes: with P what apply_chat_template(messages[:i], add_generation_prompt=True) writes and T what it writes of
  messages[:i+1], T[len(P):] up to the end mark, which has to stand at len(P) in the whole conversation;
- for the template with the reasoning, from its twin.

--shared FOLDER adds Llama 3's and Qwen3's own templates, which are not ours to ship, by what comes out. (Qwen3's twin is one
of ours, above.)
"""

import argparse
import json
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

from make_chat import TEMPLATES

OUT = Path(__file__).resolve().parent / "chat"

MARKED = r"""{%- for m in messages %}
{%- if m.role == 'assistant' %}{{- '<|im_start|>assistant\n' }}{% generation %}{{- m.content + '<|im_end|>' }}{% endgeneration %}{{- '\n' }}
{%- else %}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}"""

WIDELY_MARKED = r"""{% for m in messages %}
    {%- if m.role == 'assistant' -%}
        {%- generation -%}
            {{ '<|im_start|>assistant\n<t>\n\n</t>\n' + m.content.lstrip('\n') + '<|im_end|>\n' }}
        {%- endgeneration -%}
    {%- else -%}
        {{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
    {%- endif -%}
{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

REASONING = r"""{%- set ns = namespace(last=0) %}
{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
    {%- if m.role == 'assistant' %}
        {%- set thought = '' %}
        {%- set said = m.content %}
        {%- if '</t>' in m.content %}
            {%- set thought = m.content.split('</t>')[0].rstrip('\n').split('<t>')[-1].lstrip('\n') %}
            {%- set said = m.content.split('</t>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\n' }}
        {%- if WHERE %}{{- '<t>\n' + thought + '\n</t>\n\n' }}{% endif %}
        {{- said + '<|im_end|>' }}{{- '\n' }}
    {%- else %}
        {{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}"""
TWIN = REASONING.replace("{%- if WHERE %}{{- '<t>\\n' + thought + '\\n</t>\\n\\n' }}{% endif %}\n        {{- said + '<|im_end|>' }}",
                         "{%- generation %}{{- '<t>\\n' + thought + '\\n</t>\\n\\n' + said + '<|im_end|>' }}{%- endgeneration %}")
assert TWIN != REASONING

ENDS = {"llama3.1": "<|eot_id|>", "gemma2": "<end_of_turn>", "gemma3": "<end_of_turn>", "phi3": "<|end|>", "shared:llama3": "<|eot_id|>"}


def conversations():
    turn = lambda role, text: {"role": role, "content": text}
    talk = lambda *texts: [turn("user" if i % 2 == 0 else "assistant", t) for i, t in enumerate(texts)]
    return [
        talk("Hi", "Hello there."),
        talk("What is 2+2?", "4", "Sure?", "Yes, it is 4."),
        [turn("system", "Be brief.")] + talk("Who are you?", "A program."),
        [turn("system", "Answer in German.")] + talk("Yes?", "Ja", "No?", "Nein", "Maybe?", "Vielleicht"),
        talk("line one\nline two", "first\n\nsecond", "more", "third\nfourth", "and?"),
        talk("größer 你好 🙂", "kleiner 再见 🙁", "ok", "gut"),
        talk("  space  ", "kept here", "user", "assistant"),
        talk("why?", "<t>\nbecause\n</t>\n\nSo.", "really?", "<t>\nhm\n</t>\n\nYes."),
        talk("quote \" ' \\", "{{ braces }} {% no %}", "a < b", "<b>bold</b>"),
        talk("1", "one", "2", "two", "3", "three", "4", "four", "5", "five"),
    ]


def render(template, messages, generation=False):
    return render_jinja_template([messages], chat_template=template, add_generation_prompt=generation, bos_token="<|endoftext|>",
                                 eos_token="<|im_end|>")[0][0]


def by_marks(template, messages):
    texts, spans = render_jinja_template([messages], chat_template=template, return_assistant_tokens_mask=True,
                                         bos_token="<|endoftext|>", eos_token="<|im_end|>")
    return texts[0], spans[0]


def by_prefixes(template, messages, end):
    whole, spans = render(template, messages), []
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before, with_answer = render(template, messages[:i], True), render(template, messages[:i + 1])
        assert with_answer.startswith(before)
        answer = with_answer[len(before):]
        answer = answer[:answer.rindex(end) + len(end)]
        assert whole[len(before):].startswith(answer)
        spans.append((len(before), len(before) + len(answer)))
    return whole, spans


def parts(text, spans):
    """The text up to its last span: what is read and what is said, in turn."""
    out, at = [], 0
    for begin, end in spans:
        out += [text[at:begin], text[begin:end]]
        at = end
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path)
    shared = parser.parse_args().shared
    templates = {name: t for name, t in TEMPLATES.items() if name not in ("lines", "split")}
    templates |= {"marked": MARKED, "widely-marked": WIDELY_MARKED, "reasoning": REASONING.replace("WHERE", "loop.index0 > ns.last"),
                  "reasoning-marked": TWIN}
    if shared:
        templates["shared:llama3"] = json.loads((shared / "llama3/tokenizer_config.json").read_text())["chat_template"]
    cases = []
    for name, template in templates.items():
        results = []
        for messages in conversations():
            try:
                if "endgeneration" in template:
                    found = by_marks(template, messages)
                elif name == "reasoning":
                    found = by_marks(TWIN, messages)
                else:
                    found = by_prefixes(template, messages, ENDS.get(name, "<|im_end|>"))
            except Exception as error:  # what the template itself raises
                assert "no system" in str(error), (name, error)
                found = None
            results.append({"messages": messages, "parts": parts(*found) if found else None})
        cases.append({"name": name, "template": template if not name.startswith("shared:") else None, "results": results})
    OUT.mkdir(exist_ok=True)
    (OUT / "conversations.json").write_text(json.dumps(cases, ensure_ascii=True, indent=0) + "\n")
    print(len(cases), "templates")


if __name__ == "__main__":
    main()
