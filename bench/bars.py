"""The bars that pith has to clear (issue 3, section 7), and which of them a run missed. It measures nothing."""

import dataclasses
import operator

import own
import plan

AGAINST = "llama.cpp"


@dataclasses.dataclass(frozen=True)
class Bar:
    what: str
    limit: float
    value: float | None  # None: not measured in this run
    at_least: bool = True

    def verdict(self):
        if self.value is None:
            return "not measured"
        compare = operator.ge if self.at_least else operator.le
        return "ok" if compare(self.value, self.limit) else "MISSED"

    def text(self):
        value = "-" if self.value is None else f"{self.value:.2f}"
        return f"{self.what}: {value} ({'at least' if self.at_least else 'at most'} {self.limit:g})"


def size_of(model_name):
    """The bars at a depth are given for two sizes of model."""
    return next((size for size in ("0.5b", "1.5b") if size in model_name.lower()), "")


def peer_limits(model_name):
    """{work: least ratio of pith to llama.cpp}"""
    limits = {plan.SHORT_PREFILL: 1.3, plan.LONG_PREFILL: 1.3, plan.SHALLOW_DECODE: 1.0}
    deep = {"0.5b": 2.0, "1.5b": 1.5}.get(size_of(model_name))
    if deep:
        limits[plan.DEEP_DECODE] = deep
    if size_of(model_name) == "0.5b":
        limits[plan.DEEPEST_DECODE] = 3.0
    return limits


def middle(spread):
    return None if spread is None else spread.median


def all_bars(result):
    """Every bar for one model's result (see peers.py), in the order of the issue."""
    bars = [Bar(f"{work.label()}, pith / {AGAINST}", limit, middle(result.ratio(work, AGAINST)))
            for work, limit in peer_limits(result.model_name).items()]
    bars.append(Bar("decode from 16,000 tokens compressed 10x / decode at 1,600", 0.95, middle(own.compressed_ratio(result.samples))))
    readings = own.reading_ratios(result.samples) if ("pith", own.PLAIN) in result.samples else {}
    for recipe in own.ONE_PASS:
        bars.append(Bar(f"prefill with {recipe} / plain prefill", 1.10, middle(readings.get(recipe, {}).get("total")), at_least=False))
    bars.append(Bar("replay / plain prefill", 1.5, middle(readings.get(own.REPLAY, {}).get("replay")), at_least=False))
    resident = result.peak_rss("pith", plan.LONG_PREFILL)
    limit = own.memory_limit(result.facts, plan.LONG_PREFILL.prompt)
    bars.append(Bar("resident memory at 4,096 / (weights + cache + 300 MiB)", 1.0, resident and resident / limit, at_least=False))
    return bars
