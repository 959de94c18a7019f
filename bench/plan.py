"""Decides what is measured within a budget of time. It measures nothing.

Costs are predicted from each engine's measured prefill of 512 tokens and decode at depth 0; attention makes long contexts
dearer, which the factor below stands for. What does not fit is left out, and the report says so.
"""

from engines import Work

SHORT_PREFILL = Work(prompt=512)
LONG_PREFILL = Work(prompt=4096)
SHALLOW_DECODE = Work(generate=64)
DEEP_DECODE = Work(generate=32, depth=4096)
DEEPEST_DECODE = Work(generate=32, depth=16384)
START_SECONDS = 3.0


def wanted(facts, deepest):
    """What the model's range allows, the most telling first; and why the rest is left out."""
    works, skipped = [], {}
    for work in [LONG_PREFILL, DEEP_DECODE] + ([DEEPEST_DECODE] if deepest else []):
        if work.depth + work.prompt + work.generate > facts["context_length"]:
            skipped[work] = f"the model reads {facts['context_length']} tokens"
        else:
            works.append(work)
    if not deepest:
        skipped[DEEPEST_DECODE] = "asked for with --deepest only"
    return works, skipped


def cost_seconds(work, prefill_tok_s, decode_tok_s):
    tokens = work.prompt + work.depth
    slowdown = 1 + tokens / 8192  # mean over the prompt; seen: 1.3 to 1.7 at 4,096
    return START_SECONDS + tokens / prefill_tok_s * slowdown + 2 * work.generate / decode_tok_s * slowdown


def fit(works, speeds, rounds, seconds_left):
    """The works that fit, in order; {work: reason} for the others. speeds: [(prefill_tok_s, decode_tok_s)] per engine."""
    chosen, skipped = [], {}
    for work in works:
        cost = rounds * sum(cost_seconds(work, *speed) for speed in speeds)
        if cost > seconds_left:
            skipped[work] = f"needs about {cost / 60:.0f} min, {max(0, seconds_left) / 60:.0f} min of the budget are left"
            continue
        seconds_left -= cost
        chosen.append(work)
    return chosen, skipped
