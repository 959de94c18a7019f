"""Turns a result into markdown and JSON, and puts the markdown into a page. It measures nothing."""

import dataclasses
import datetime
import os
import pathlib
import re

import bars
import measure
import own
import plan


@dataclasses.dataclass
class Result:
    """Everything about one model on one machine."""
    model_name: str
    facts: dict
    isa: str
    threads: int
    engines: list
    answers: dict  # engine → [(prompt's end, expected, got, ok)]
    samples: dict = dataclasses.field(default_factory=dict)
    skipped: dict = dataclasses.field(default_factory=dict)
    ceilings: dict = dataclasses.field(default_factory=dict)
    notes: list = dataclasses.field(default_factory=list)
    clock: str = "wall"
    machine: dict = dataclasses.field(default_factory=dict)

    def of(self, name, work):
        return self.samples.get((name, work), [])

    def ratio(self, work, peer):
        return measure.ratio(self.of("pith", work), self.of(peer, work))

    def peak_rss(self, name, work):
        peaks = [sample.peak_rss_bytes for sample in self.of(name, work) if sample]
        return max(peaks) if peaks else None

    def others_share(self):
        return measure.spread(sample.others_share for runs in self.samples.values() for sample in runs if sample)


WORKS = [plan.SHORT_PREFILL, plan.LONG_PREFILL, plan.SHALLOW_DECODE, plan.DEEP_DECODE, plan.DEEPEST_DECODE]


def describe_machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        text = file.read()
    found = re.search(r"model name\s*: (.+)", text)
    if found:
        model = found.group(1).strip()
    levels = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if re.search(rf"\b{flag}\b", text)]
    return {"processor": model, "processors": os.cpu_count(), "levels": levels, "load_at_start": os.getloadavg()[0],
            "date": datetime.date.today().isoformat()}


def number(spread):
    if spread is None:
        return "-"
    return f"{spread.low:.1f} / **{spread.median:.1f}** / {spread.high:.1f}"


def times(spread):
    return "-" if spread is None else f"**{spread.median:.2f}** ({spread.low:.2f}–{spread.high:.2f})"


def mebibytes(count):
    return "-" if count is None else f"{count / 2**20:.0f} MiB"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def header(cells):
    return [row(cells), row(["---"] + ["---:"] * (len(cells) - 1))]


def speed_table(result):
    names = [engine.name for engine in result.engines]
    peers = [name for name in names if name != "pith"] if "pith" in names else []
    unit = "tokens per CPU second" if result.clock == "cpu" else "tokens/s"
    lines = header([f"{unit}: min / median / max"] + [f"{engine.name}, {engine.kv} cache" for engine in result.engines] +
                   [f"pith / {peer}" for peer in peers])
    for work in WORKS:
        if work in result.skipped:
            lines.append(row([work.label(), f"left out: {result.skipped[work]}"] + [""] * (len(names) + len(peers) - 1)))
        else:
            lines.append(row([work.label()] + [number(measure.speeds(result.of(name, work))) for name in names] +
                             [times(result.ratio(work, peer)) for peer in peers]))
    lines.append(row(["resident memory, prefill 4096"] + [mebibytes(result.peak_rss(name, plan.LONG_PREFILL)) for name in names] +
                     [""] * len(peers)))
    return lines


def own_table(result):
    if not any(engine.name == "pith" for engine in result.engines):
        return []
    lines = ["", *header(["pith alone", "measured"])]
    for name in (own.SHORT, own.COMPRESSED):
        what = f"decode at 16,000 tokens, `{name.recipe}`" if name.recipe else f"decode at {name.depth:,} tokens"
        lines.append(row([what + ", tokens/s", number(measure.speeds(result.of("pith", name)))]))
    lines.append(row(["compressed / short", times(own.compressed_ratio(result.samples))]))
    if ("pith", own.PLAIN) in result.samples:
        for recipe, spreads in own.reading_ratios(result.samples).items():
            said = f"reading {times(spreads['read'])}, with compression {times(spreads['total'])}"
            said += f", replay {times(spreads['replay'])}" if spreads["replay"] else ""
            lines.append(row([f"`{recipe}` on 4,096 tokens, × plain reading", said]))
    limit = own.memory_limit(result.facts, plan.LONG_PREFILL.prompt)
    lines.append(row(["resident memory at 4,096 / weights + cache + 300 MiB",
                      f"{mebibytes(result.peak_rss('pith', plan.LONG_PREFILL))} / {mebibytes(limit)}"]))
    return lines


def ceilings_lines(result):
    if not result.ceilings:
        return []
    said = ", ".join(f"{name} {value:.0f}" for name, value in result.ceilings.items() if isinstance(value, (int, float)))
    lines = ["", f"Ceilings measured in the same run: {said}."]
    memory = result.ceilings.get("read_gb_per_s")
    shallow = measure.speeds(result.of("pith", plan.SHALLOW_DECODE))
    if memory and shallow:
        share = result.facts["weight_bytes"] * shallow.median / (memory * 1e9)
        lines.append(f"At depth 0, pith's decode reads the model's file at {share:.0%} of the memory's speed.")
    return lines


def bars_lines(result):
    if not any(engine.name == "pith" for engine in result.engines):
        return []
    return ["", *header(["bar", "verdict"]), *[row([bar.text(), bar.verdict()]) for bar in bars.all_bars(result)]]


def answer_lines(result):
    lines = []
    for name, checks in result.answers.items():
        if not all(check["ok"] for check in checks):
            wrong = "; ".join(f"{check['got']!r} instead of {check['expected']!r}" for check in checks if not check["ok"])
            lines.append(f"- {name}: wrong answers, no yardstick ({wrong})")
    return (["", *lines]) if lines else []


def markdown(result):
    machine, others = result.machine, result.others_share()
    threads = f"{result.threads} thread" + ("s" if result.threads > 1 else "")
    seconds = ", per second of processor time" if result.clock == "cpu" else ""
    lines = [f"### {result.model_name}, {result.isa}, {threads}{seconds}", "",
             f"{machine['date']}, {machine['processor']} ({', '.join(machine['levels'])}), load {machine['load_at_start']:.1f} at the "
             "start" + (f"; other processes took {others.low:.0%} / {others.median:.0%} / {others.high:.0%} (min / median / max) of "
                        "the machine during the runs." if others else "."),
             "Engines: " + ", ".join(f"{engine.name} {engine.version}" for engine in result.engines) + ".", ""]
    lines += speed_table(result) + own_table(result) + ceilings_lines(result) + answer_lines(result) + bars_lines(result)
    if result.notes:
        lines += [""] + [f"- {note}" for note in result.notes]
    return "\n".join(lines) + "\n"


def as_json(result):
    def spread_of(spread):
        return None if spread is None else dataclasses.asdict(spread)
    peers = [engine.name for engine in result.engines if engine.name != "pith"]
    return {
        "model": result.model_name, "isa": result.isa, "threads": result.threads, "clock": result.clock, "machine": result.machine, "facts": result.facts,
        "engines": [{"name": engine.name, "version": engine.version, "kv": engine.kv} for engine in result.engines],
        "answers": result.answers, "ceilings": result.ceilings, "notes": result.notes,
        "skipped": {work.label(): reason for work, reason in result.skipped.items()},
        "samples": [{"engine": name, **dataclasses.asdict(work), "runs": [run and dataclasses.asdict(run) for run in runs]}
                    for (name, work), runs in result.samples.items()],
        "ratios": {peer: {work.label(): spread_of(result.ratio(work, peer)) for work in WORKS} for peer in peers},
        "bars": [{"bar": bar.what, "limit": bar.limit, "value": bar.value, "verdict": bar.verdict()} for bar in bars.all_bars(result)],
    }


def put_into_page(page, result):
    """Replaces what stands between this model's marks, or appends it with marks of its own."""
    page = pathlib.Path(page)
    text = page.read_text(encoding="utf-8") if page.exists() else "# Speed\n"
    name = f"{result.model_name} {result.isa}" + (" cpu" if result.clock == "cpu" else "")
    block = f"<!-- bench: {name} -->\n{markdown(result)}<!-- /bench -->"
    marked = re.compile(rf"<!-- bench: {re.escape(name)} -->.*?<!-- /bench -->", re.DOTALL)
    text = marked.sub(lambda _: block, text) if marked.search(text) else text.rstrip("\n") + "\n\n" + block + "\n"
    partial = page.with_suffix(page.suffix + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.rename(page)
