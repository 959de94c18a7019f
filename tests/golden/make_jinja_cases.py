"""Writes jinja.jsonl: templates, contexts and what Python's jinja2 makes of them, set up as the transformers library does.

Run once with jinja2 3.1.6 (pip install jinja2): python3 make_jinja_cases.py > jinja.jsonl
A case with "error": true is one that jinja2 refuses while it reads or renders it.
"""

import json
import sys

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

MESSAGES = [
    {"role": "system", "content": "  Be brief. "},
    {"role": "user", "content": "Hello <b>you</b> & me"},
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": 1, "y": [True, None, 2.5]}}}]},
    {"role": "tool", "content": "42"},
    {"role": "user", "content": "naïve ß 你好 😀"},
]
CONTEXT = {
    "messages": MESSAGES,
    "tools": [{"name": "f", "description": "it's <\"quoted\">\n", "parameters": {"b": 1, "a": {"z": [], "y": {}}}}],
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "numbers": [3, 1, 2, 10, -5],
    "words": ["pear", "Apple", "fig", "apple"],
    "empty": [],
    "nothing": None,
    "people": [{"name": "Bo", "age": 5, "home": {"city": "Oslo"}}, {"name": "al", "age": 7, "home": {"city": "Rome"}}, {"name": "Cy", "age": 5}],
    "text": "The quick brown fox\njumps over\n\nthe lazy dog",
}

TEMPLATES = [
    # whitespace
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n",
    "a \n {%- if true -%} \n b \n {%- endif -%} \n c",
    "x  {%+ if true +%}\n  y\n  {% endif %}  z",
    "{# note #}\n  {# two -#}  \n  k {#- three #} l",
    "  {{ 1 }}  \n  {{- 2 -}}  \n 3",
    "{% raw %}{{ x }} {% if %}{% endraw %}\n|{%- raw -%}  {# y #}  {%- endraw %} |",
    "{%- for i in [1,2] %}\n{{ i }}\n{%- endfor %}\n\n",
    "a\r\nb\rc{{ '\r\n' }}d\n\n",
    "\n  {% set a = 1 %}  {% set b = 2 %}\n  {{ a + b }}",
    # literals and operators
    "{{ 'it\\'s' }}{{ \"q\\\"q\" }}{{ 'a\\tb\\n\\x41\\u00e9\\101' }}{{ 'un\\known' }}",
    "{{ 1_000 + 0x1F + 0b11 + 0o17 }} {{ 1.5e3 }} {{ 1e100 }} {{ 2.0 }} {{ 5 if false else 0.1 + 0.2 }}",
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % -3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}",
    "{{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ - 3 | abs }} {{ 1 + 2 * 3 - 4 }} {{ 10 - 2 - 3 }} {{ 'a' ~ 1 ~ none ~ true }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 == true }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ not 1 == 2 }}",
    "{{ 'ell' in 'hello' }} {{ 3 in numbers }} {{ 'x' not in {'x': 1} }} {{ 'role' in messages[0] }} {{ 1 in empty }} {{ 1 in missing }}",
    "{{ 'a' if false }}|{{ 1 if true else 2 }}|{{ 1 if 0 else 2 if 0 else 3 }}|{{ (1 if missing) is defined }}",
    "{{ true and 'x' }} {{ 0 or 'y' }} {{ not empty }} {{ none or false }} {{ 1 and 0 and missing.y }}",
    "{{ [1, 'a', none, true, 1.0, [2], (3,), {'k': 'v', 2: \"it's\"}] }} {{ () }} {{ {} }} {{ 1, 2 }}",
    "{{ 'ab' * 3 }} {{ [0] * 3 }} {{ [1] + [2] }} {{ 'a' 'b' }} {{ '%s=%d %5.2f %r %%' % ('x', 3, 2.5, 'q') }} {{ '%05d|%-4s|' | format(42, 'a') }}",
    "{{ numbers[1:3] }} {{ numbers[::-1] }} {{ numbers[-2:] }} {{ 'naïve'[1:-1] }} {{ 'abc'[::-1] }} {{ text[:9:2] }} {{ numbers[10:] }}",
    "{{ numbers[-1] }} {{ 'naïve'[2] }} {{ numbers[99] is defined }} {{ messages[0]['role'] }} {{ messages[0].role }} {{ messages.0.role }}",
    "{{ {'a': {'b': [1, {'c': 2}]}}.a.b[1].c }} {{ {'items': 5}['items'] }} {{ {1: 'x', true: 'y'} }}",
    # scopes
    "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}",
    "{% set ns = namespace(n=0, s='') %}{% for i in numbers %}{% set ns.n = ns.n + i %}{% set ns.s = ns.s ~ i %}{% endfor %}{{ ns.n }} {{ ns.s }} {{ ns.none is defined }}",
    "{% set a, b = 1, [2] %}{{ a }}{{ b }}{% set c %}in {{ a }}{% endset %}[{{ c }}]{% set d | upper | trim %} q {% endset %}[{{ d }}]",
    "{% if true %}{% set y = 5 %}{% endif %}{{ y }}{% with a = 1, b = 2 %}{{ a + b }}{% set y = 6 %}{% endwith %}{{ a }}{{ y }}",
    "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}",
    # loops
    "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem.role if not loop.first }}>{{ loop.nextitem is defined }};{% endfor %}",
    "{% for i in range(10) if i is odd %}{{ i }}{{ loop.cycle('a', 'b') }}{{ loop.changed(i // 4) }} {% else %}none{% endfor %}",
    "{% for i in empty %}x{% else %}empty{% endfor %}{% for c in 'né' %}[{{ c }}]{% endfor %}{% for k in {'a': 1, 'b': 2} %}{{ k }}{% endfor %}",
    "{% for k, v in {'a': 1, 'b': [2]}.items() %}{{ k }}={{ v }} {% endfor %}{% for k, v in messages[0] | items %}{{ k }}:{{ v }};{% endfor %}",
    "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for n in [{'v': 1, 'c': [{'v': 2, 'c': []}]}] recursive %}{{ loop.depth }}:{{ n.v }}[{{ loop(n.c) }}]{% endfor %}",
    "{% for a in [1, 2] %}{% set outer = loop %}{% for b in [1, 2] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for i in missing %}x{% endfor %}{{ range(5, 0, -2) | list }}{{ range(3) | sum }}",
    # macros
    "{% macro m(a, b=2, c=none) %}{{ a }}-{{ b }}-{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(a=5, b=6) }}{{ m() }}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %},{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(4) }}",
    "{% macro v(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ v(1, 2, 3, k=4) }}{{ v(*[1, 2], **{'z': 1}) }}",
    "{% macro box(t) %}<{{ t }}>{{ caller('x') }}</{{ t }}>{% endmacro %}{% call(y) box('b') %}in {{ y }}{% endcall %}",
    "{% filter upper | replace('L', '1') %}hello {{ 'world' }}{% endfilter %}",
    # tests
    "{{ nothing is none }} {{ missing is undefined }} {{ 1 is number }} {{ true is number }} {{ true is integer }} {{ 1.0 is float }} {{ 'a' is string }} {{ {} is mapping }} {{ [] is iterable }} {{ 'a' is sequence }} {{ messages is sequence }}",
    "{{ 4 is even }} {{ 4 is divisibleby 2 }} {{ 4 is divisibleby(3) }} {{ 1 is not none }} {{ 'x' is in ['x'] }} {{ 3 is eq 3 }} {{ 3 is ge(4) }} {{ 'AB' is upper }} {{ none is sameas none }} {{ false is false }} {{ 0 is boolean }} {{ range is callable }}",
    "{% if messages[2].tool_calls is defined and messages[2].tool_calls is not none %}calls{% endif %}{% if messages[1].tool_calls %}no{% endif %}",
    # filters
    "{{ tools | tojson }}|{{ tools[0] | tojson(indent=2) }}|{{ messages[4].content | tojson }}|{{ 'é\\u2028' | tojson(ensure_ascii=true) }}|{{ {'b': 1, 'a': 1.0} | tojson(sort_keys=true, separators=(',', ':')) }}",
    "{{ messages[2].tool_calls[0].function.arguments | tojson }} {{ [1e300, 0.1, 100000000000000000000.0, 1e-7, none, true] | tojson }}",
    "{{ '  x ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ words | join(', ') }}|{{ people | join('/', attribute='name') }}|{{ [1, none] | join('-') }}|{{ words | length }}{{ 'né' | length }}{{ {} | count }}",
    "{{ missing | default('d') }} {{ '' | default('d') }} {{ '' | default('d', true) }} {{ none | d('z') }} {{ missing | default }} {{ missing.x | default('q') if missing is defined else 'w' }}",
    "{{ people | selectattr('age', 'equalto', 5) | map(attribute='name') | list }} {{ people | rejectattr('home') | list | length }} {{ numbers | select('gt', 2) | list }} {{ numbers | reject('odd') | list }} {{ people | map(attribute='home.city', default='?') | join(',') }} {{ words | map('upper') | list }}",
    "{{ numbers | sort }} {{ numbers | sort(reverse=true) }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ people | sort(attribute='age') | map(attribute='name') | list }} {{ words | unique | list }} {{ numbers | min }} {{ words | max }} {{ numbers | sum }} {{ people | sum(attribute='age') }}",
    "{{ {'b': 1, 'A': 2} | dictsort }} {% for g, xs in people | groupby('age') %}{{ g }}={{ xs | map(attribute='name') | join('+') }} {% endfor %}{{ numbers | batch(2, 0) | list }} {{ numbers | slice(3) | list }} {{ numbers | first }} {{ numbers | last }} {{ 'abc' | reverse }} {{ numbers | reverse | list }}",
    "{{ 'hello wORLD-foo (bar)' | title }} {{ 'hELLO' | capitalize }} {{ 'straße ǆ' | upper }} {{ 'ÀÉΣ' | lower }} {{ 'a-b' | replace('-', '+') }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 'x' | center(6) }}| {{ 'one two  three' | wordcount }}",
    "{{ text | indent(2) }}|{{ text | indent(2, true, blank=true) }}|{{ 'a\\n' | indent }}|{{ 'The quick brown fox jumps' | truncate(12) }} {{ 'The quick brown fox' | truncate(9, true, '…', 0) }}",
    "{{ '42' | int + 1 }} {{ 'x' | int }} {{ '3.9' | int }} {{ 'ff' | int(0, 16) }} {{ 3.7 | int }} {{ '1.5' | float }} {{ 'q' | float(2.5) }} {{ 2.567 | round(2) }} {{ 2.5 | round }} {{ 7 | round }} {{ 2.1 | round(0, 'ceil') }} {{ -3 | abs }} {{ 5 | string ~ 'x' }} {{ '<b>' | safe }}",
    # methods
    "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'a b c'.rsplit(' ', 1) }} {{ ' a b c '.split(none, 1) }} {{ 'x</think>y</think>z'.split('</think>')[-1] }} {{ 'a\\nb\\r\\nc'.splitlines() }}",
    "{{ ' x '.strip() }}|{{ '\\n x \\n'.lstrip('\\n') }}|{{ 'xyx'.rstrip('x') }}|{{ 'Hello'.startswith('He') }}{{ 'Hello'.endswith(('x', 'lo')) }}|{{ 'hello'.upper() }} {{ \"they're bill's\".title() }} {{ 'naïve'.find('v') }} {{ 'abcabc'.rfind('b') }} {{ 'abab'.count('ab') }} {{ 'a-b'.replace('-', '') }} {{ ', '.join(words) }}",
    "{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 7) }} {{ {'a': 1}.keys() | list }} {{ {'a': 1}.values() | list }} {{ [1, 2, 1].count(1) }} {{ [1, 2].index(2) }} {{ 'a:b'.partition(':') }} {{ '7'.zfill(3) }} {{ 'ab'.isalpha() }} {{ '12'.isdigit() }} {{ 'x-y'.removeprefix('x') }}",
    # errors
    "{{ raise_exception('Only user and assistant roles are supported!') }}",
    "{{ missing.attribute }}",
    "{{ 1 + 'a' }}",
    "{{ missing + 'a' }}",
    "{% for i in 5 %}{% endfor %}",
    "{{ numbers.append(1) }}",
    "{{ 1 / 0 }}",
    "{{ undefined_function() }}",
    "{{ 'a' | nosuchfilter }}",
    "{% if %}{% endif %}",
    "{{ {{ }} }}",
    "{% for x in y %}",
    "{{ 'unclosed }}",
    "{{ a b }}",
    "{% endif %}",
    "{{ (1, 2] }}",
    # shapes from real templates
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 1) and false %}{{ raise_exception('x') }}{% endif %}{% if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
    "{%- if messages[0]['role'] == 'system' -%}\n    {%- if messages[0]['content'] is string -%}\n        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}\n    {%- else -%}\n        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}\n    {%- endif -%}\n    {%- set loop_messages = messages[1:] -%}\n{%- else -%}\n    {%- set loop_messages = messages -%}\n{%- endif -%}\n{%- for message in loop_messages -%}\n{{ (first_user_prefix if loop.first else '') + message['content'] }}\n{%- endfor -%}",
    "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}\n{%- for message in messages[::-1] %}\n    {%- set index = (messages|length - 1) - loop.index0 %}\n    {%- if ns.multi_step_tool and message.role == \"user\" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}\n        {%- set ns.multi_step_tool = false %}\n        {%- set ns.last_query_index = index %}\n    {%- endif %}\n{%- endfor %}\n{{ ns.last_query_index }}",
    "{%- macro render_extra_keys(json_dict, handled_keys) -%}\n    {%- if json_dict is mapping %}\n        {%- for json_key in json_dict if json_key not in handled_keys %}\n            {%- if json_dict[json_key] is mapping or (json_dict[json_key] is sequence and json_dict[json_key] is not string) %}\n                {{- '\\n<' ~ json_key ~ '>' ~ (json_dict[json_key] | tojson | safe) ~ '</' ~ json_key ~ '>' }}\n            {%- else %}\n                {{-'\\n<' ~ json_key ~ '>' ~ (json_dict[json_key] | string) ~ '</' ~ json_key ~ '>' }}\n            {%- endif %}\n        {%- endfor %}\n    {%- endif %}\n{%- endmacro -%}\n{{ render_extra_keys(messages[3], ['role']) }}",
    "{%- set date_string = strftime_now('%d %b %Y') if strftime_now is defined and false else '26 Jul 2024' %}\n{{- 'Today Date: ' + date_string + '\\n\\n' }}",
]


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def main():
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda format: format
    print(json.dumps({"context": CONTEXT}, ensure_ascii=False))
    for template in TEMPLATES:
        case = {"template": template}
        try:
            case["expected"] = environment.from_string(template).render(**CONTEXT)
        except Exception as error:
            case["error"] = True
            print(f"{type(error).__name__}: {error}: {template[:60]!r}", file=sys.stderr)
        print(json.dumps(case, ensure_ascii=False))


if __name__ == "__main__":
    main()
