"""Writes tests/golden/chat/chat.json: chat templates of several kinds, conversations, and what transformers'
apply_chat_template makes of them.

  python tests/golden/make_chat.py [--shared FOLDER]            (transformers, jinja2)

The templates here are our own, in the manner of each family: the same marks, the same constructs. Those of Llama 3 and
Qwen3 themselves, which are not ours to ship, are run where --shared names a folder with llama3/ and qwen3/; the file
holds what came out, and the test reads the templates from there too.
"""

import argparse
import datetime
import json
from pathlib import Path

from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import render_jinja_template

OUT = Path(__file__).resolve().parent / "chat"

TEMPLATES = {
    "chatml-system": r"""{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
Be brief.<|im_end|>
' }}{% endif %}{{ '<|im_start|>' + m['role'] + '
' + m['content'] + '<|im_end|>' + '
' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}""",
    # Qwen2.5: a default system turn, tools, trim marks, double-quoted texts.
    "qwen2.5": r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- "<|im_start|>system\nYou are \"helpful\".<|im_end|>\n" }}
    {%- endif %}
{%- endif %}
{%- for turn in messages %}
    {%- if (turn.role == "user") or (turn.role == "system" and not loop.first) or (turn.role == "assistant" and not turn.tool_calls) %}
        {{- '<|im_start|>' + turn.role + '\n' + turn.content + '<|im_end|>' + '\n' }}
    {%- elif turn.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n' + turn.content }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
""",
    # Llama 3.1 and later: a system turn with a date, BOS, trimmed contents.
    "llama3.1": r"""{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{{- "Today: " + date_string + "\n\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
""",
    # Gemma 2: no system turn, roles that alternate, "model" for the assistant.
    "gemma2": r"""{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn here') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns must alternate') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '
' + message['content'] | trim + '<end_of_turn>
' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model
'}}{% endif %}""",
    # Gemma 3: the system turn goes before the first user's text; contents may be lists.
    "gemma3": r"""{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("turns must alternate") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {{ item['text'] | trim }}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("no such content") }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\n'}}
{%- endif -%}
""",
    # Phi-3: blocks in a row, the EOS where nothing is generated.
    "phi3": r"""{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}""",
    # Constructs in lines: lstrip_blocks, trim_blocks, comments, loops with a condition, namespaces.
    "lines": r"""{# a comment #}
{% set ns = namespace(count=0, last=none) %}
{% for m in messages if m.role != 'system' %}
    {% set ns.count = ns.count + 1 %}
    {% if m.role in ['user', 'human'] %}
  <|user|>{{ m.content }}<|end|>
    {% else %}
<|{{ m.role | upper }}|>{{ m.content.strip() }}<|end|>
    {% endif %}
{% else %}
nobody
{% endfor %}
{{ ns.count }} {{ ns.last is none }} {{ messages | length }} {{ [1, 2] | tojson }} {{ 7 // 2 }} {{ -7 % 3 }} {{ 'a' ~ 1 }}
{%- if add_generation_prompt and messages[-1].role == 'user' %} <|assistant|>{% endif %}
""",
    # Text is split and rebuilt as Qwen3's reasoning is.
    "split": r"""{%- for m in messages[::-1] %}
{%- set i = (messages|length - 1) - loop.index0 %}
{{- i ~ ':' ~ m.role }}
{%- if not(m.content.startswith('<t>') and m.content.endswith('</t>')) and '</t>' in m.content %}
{{- m.content.split('</t>')[-1].lstrip('\n') ~ '|' ~ m.content.split('</t>')[0].rstrip('\n').split('<t>')[-1] }}
{%- else %}{{- m.content }}{% endif %}
{{- '<|end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '>' }}{% if thinking is defined and thinking is false %}{{ '!' }}{% endif %}{% endif %}""",
    # GLM-4.5 and gpt-oss: macros, one inside another, arguments by name and with defaults; what a macro sets stays inside.
    "macros": r"""{%- set outside = 'o' %}
{%- macro visible(content, wrap=false, mark='<', close=mark ~ '/') %}
    {%- set outside = 'i' %}
    {%- if content is string %}
        {{- mark ~ content ~ close if wrap else content }}
    {%- else %}
        {%- for part in content %}{{ part.text }}{% endfor %}
    {%- endif %}
{%- endmacro %}
{%- macro turn(m, n) -%}
[{{ m.role }}|{{ n }}]
{{ visible(m.content, mark='«', wrap=(n % 2 == 0)) | trim }}{{ outside }}{{ loop is defined }}
{%- endmacro %}
{%- for m in messages %}
    {%- set written = turn(m, loop.index0) %}
    {{- written ~ '\n' }}{{ visible('x') | upper }}
{%- endfor %}
{%- if add_generation_prompt %}[assistant]{{ turn(messages[0], 1) | length }}{% endif %}""",
    # Gemma 4: texts of several statements, ranges that run back, characters of a text, tuples.
    "gemma4": r"""{{ bos_token }}
{%- macro strip_thinking(text) -%}
    {%- set ns = namespace(result='') -%}
    {%- for part in text.split('</t>') -%}
        {%- if '<t>' in part -%}{%- set ns.result = ns.result + part.split('<t>')[0] -%}
        {%- else -%}{%- set ns.result = ns.result + part -%}{%- endif -%}
    {%- endfor -%}
    {{- ns.result | trim -}}
{%- endmacro -%}
{%- for i in range(messages | length) -%}
    {%- set message = messages[i] -%}
    {%- set ns = namespace(before='') -%}
    {%- for j in range(i - 1, -1, -1) -%}{%- if not ns.before -%}{%- set ns.before = messages[j].role -%}{%- endif -%}{%- endfor -%}
    {%- set captured -%}
        {%- if message.role in ('assistant', 'model') -%}{{ strip_thinking(message.content) }}{%- else -%}{{ message.content | trim }}{%- endif -%}
    {%- endset -%}
    {{- '<|turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' + captured + '<turn|>\n' -}}
    {{- ns.before[:3] ~ captured[0] ~ captured[-2:] ~ message.role.title() -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|turn>model\n' }}{%- endif -%}""",
    # Granite: a date, and names that nobody defined.
    "granite": r"""{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}{%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = "Today's Date: " + strftime_now('%B %d, %Y') + "." %}{%- set loop_messages = messages %}
    {%- if 'citations' in controls and documents %}{%- set system_message = system_message + '!' %}{%- endif %}
{%- endif %}
{{- '<|start_of_role|>system<|end_of_role|>' + system_message + '<|end_of_text|>\n' }}
{%- for message in loop_messages %}
    {{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}
    {%- if loop.last and add_generation_prompt %}{{- '<|start_of_role|>assistant<|end_of_role|>' }}{%- endif %}
{%- endfor %}""",
    # Ministral: turns by a condition, the last of them, values printed as Python prints them.
    "ministral": r"""{%- set asked = messages | selectattr("role", "equalto", "user") | list %}
{{- bos_token }}
{%- for m in messages if m.role != 'system' %}
    {%- if m == asked[-1] %}{{ '[INST]last ' ~ m.content ~ '[/INST]' }}
    {%- elif m.role == 'user' %}{{ '[INST]' ~ m.content ~ '[/INST]' }}
    {%- else %}{{ ' ' ~ m.content | trim ~ eos_token }}{%- endif %}
{%- endfor %}
{{- messages | map(attribute='role') | list | join(',') }}{{ messages | rejectattr('content') | list | length }}
{{- ['a', 1, true, none, 1.5, "it's"] }}{% for k, v in {'b': [2], 'A': 'x'} | dictsort %}{{ k ~ v }}{% endfor %}{{ {'k': 'v\n'} }}""",
}

TEXTS = ["Hi", "  two words ", "line\nline\n", "quote ' and \" and \\", "größer 你好 🙂", "{{ braces }} {% no %}", "<t>a</t>b",
         "x</t>\n\ny", "<|im_end|>", ""]


class FixedDay(datetime.datetime):
    """The only day that ilora knows."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


def conversations():
    some = []
    for i, text in enumerate(TEXTS):
        other = TEXTS[(i + 3) % len(TEXTS)]
        turns = [{"role": "user", "content": text}]
        if i % 2:
            turns.insert(0, {"role": "system", "content": other})
        if i % 3:
            turns += [{"role": "assistant", "content": other}, {"role": "user", "content": TEXTS[(i + 1) % len(TEXTS)]}]
        if i % 5 == 4:
            turns.append({"role": "assistant", "content": text})
        some.append(turns)
    return some


# Calls of tools, what tools say, and reasoning, in the manner of Qwen3 and of GLM-4.5.
TOOLS = {
    "tools": r"""{%- if tools %}{{ '<|im_start|>system\nTools:' }}{%- for t in tools %}{{ '\n' }}{{ t | tojson }}{%- endfor %}{{ '<|im_end|>\n' }}{%- endif %}
{%- for m in messages %}
    {%- if m.role == 'tool' %}{{ '<|im_start|>user\n<got>' + m.content + '</got><|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + m.role + '\n' }}
        {%- if m.reasoning_content is string and loop.last %}{{ '<think>' + m.reasoning_content + '</think>' }}{%- endif %}
        {{- m.content if m.content is string else '' }}
        {%- for call in m.tool_calls %}
            {%- if not loop.first or m.content %}{{ '\n' }}{%- endif %}
            {{- '<call>{"name": "' ~ call.function.name ~ '", "arguments": ' ~ (call.function.arguments | tojson) ~ '}</call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}""",
    "macro-tools": r"""{%- macro call(c) -%}{{ c.function.name }}({% for k, v in c.function.arguments.items() %}{{ k }}={{ v if v is string else v | tojson }}{% if not loop.last %}, {% endif %}{% endfor %}){%- endmacro %}
{%- for t in tools or [] %}{{ t.function.name ~ ': ' ~ (t.function.parameters.properties | dictsort | map('first') | join(' ')) ~ '<|im_end|>' }}{%- endfor %}
{%- for m in messages %}<|{{ m.role }}|>
    {%- if m.thinking %}{{ '[' ~ m.thinking ~ ']' }}{%- endif %}{{ m.content or '' }}
    {%- for c in m.tool_calls or [] %}{{ call(c) }}{%- endfor %}{{ '<|im_end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>' }}{%- endif %}""",
}


def tool_conversations():
    weather = {"type": "function", "function": {"name": "weather", "description": "Of a \"city\".", "parameters": {
        "type": "object", "properties": {"unit": {"enum": ["c", "f"]}, "city": {"type": "string"}}, "required": ["city"]}}}
    call = lambda **arguments: {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    user, said = (lambda t: {"role": "user", "content": t}), (lambda t, **k: {"role": "assistant", "content": t, **k})
    tool = lambda t: {"role": "tool", "tool_call_id": "c1", "content": t}
    return [
        ([user("Bern?"), said(None, tool_calls=[call(city="Bern")]), tool("12"), said("12 degrees.")], [weather]),
        ([user("Zürich?"), said("I look.", tool_calls=[call(city="Zürich", unit="c"), call(days=[1, 2.5], ok=True, none=None)]),
          tool('{"t": 3}'), tool("4"), said("3.", reasoning_content="3 is less."), user("So?"), said("Cold.")], [weather]),
        ([user("2+2?"), said("4", reasoning_content="2 and 2"), user("Sure?"), said("Yes.", reasoning_content="It is.")], None),
        ([{"role": "system", "content": "Brief."}, user("Hi"), said("Hi.")], [weather]),
    ]  # fmt: skip


def tool_results(template):
    """The whole text, and of each answer what the template writes behind what asks for it, when it is the last one."""
    write = lambda some, tools, ask: render_jinja_template([some], tools=tools, chat_template=template, bos_token="<s>",
                                                           eos_token="</s>", add_generation_prompt=ask)[0][0]
    results = []
    for turns, tools in tool_conversations():
        answers = []
        for i, turn in enumerate(turns):
            if turn["role"] == "assistant":
                asked, text = write(turns[:i], tools, True), write(turns[: i + 1], tools, False)
                assert text.startswith(asked)
                answers.append(text[len(asked) :].split("<|im_end|>")[0])
        results.append({"messages": turns, "tools": tools, "text": write(turns, tools, False), "answers": answers})
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path)
    shared = parser.parse_args().shared
    templates = dict(TEMPLATES)
    chat_template_utils.datetime = FixedDay
    for name in ("llama3", "qwen3") if shared else ():
        templates[f"shared:{name}"] = json.loads((shared / name / "tokenizer_config.json").read_text())["chat_template"]
    cases = []
    for name, template in templates.items():
        own = not name.startswith("shared:")
        results = []
        for turns in conversations():
            for generation in (False, True):
                try:
                    text = render_jinja_template([turns], chat_template=template, add_generation_prompt=generation,
                                                 bos_token="<s>", eos_token="</s>")[0][0]
                except Exception as error:  # what the template itself raises
                    assert "must alternate" in str(error) or "no system" in str(error), (name, error)
                    text = None
                results.append({"messages": turns, "generation": generation, "text": text})
        cases.append({"name": name, "template": template if own else None, "results": results})
    OUT.mkdir(exist_ok=True)
    (OUT / "chat.json").write_text(json.dumps(cases, ensure_ascii=True, indent=0) + "\n")
    tools = [{"template": template, "results": tool_results(template)} for template in TOOLS.values()]
    (OUT / "tools.json").write_text(json.dumps(tools, ensure_ascii=True, indent=0) + "\n")
    print(len(cases) + len(tools), "templates")


if __name__ == "__main__":
    main()
