#!/usr/bin/env python3
"""Says where pith's time goes: products, attention, row functions, synchronisation. Needs perf (Debian: linux-perf).

Samples the processor clock while `pith bench` runs, keeps the samples of the measured phase, and adds them up by function.
`idle` is what the threads slept: threads times seconds, less the samples.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import obtain

EXAMPLES = """examples:
  bench/profile.py -m model.gguf --prefill 4096
  bench/profile.py -m model.gguf --decode-at 4096 --functions 20
  PITH_ISA=avx2 bench/profile.py -m model.gguf --prefill 512"""

RATE = 997  # samples per second and thread: prime, so that it does not beat with the work
# The first pattern that a function matches names its phase.
PHASES = [
    ("synchronisation", r"ThreadPool|futex|__atomic_wait|sched_yield|__syscall|_mm_pause"),
    ("attention", r"qk|\bpv|pv_|make_pairs|softmax|BlockRunner|Schedule|cache::|Lane|append"),
    ("preparing activations", r"Activations|prepare|quantize_block|quantise"),
    ("products", r"rows_fast|rows_exact|panels|multiply|unpack|[Rr]ow_?[Dd]ot|dot|Panel|linear|Dot|tile"),
    ("row functions", r"rms_norm|rope|silu|gelu|axpy|VectorKernels|for_rows|exp_|Pass|dequantize"),
    ("sampling", r"Sampler|sampl|softcap|max_element"),
]


def phase_of(symbol, program_object):
    for phase, pattern in PHASES:
        if re.search(pattern, symbol):
            return phase
    return "other" if program_object else "system"


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/profile.py", description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("-m", "--model", required=True, metavar="FILE")
    parser.add_argument("--pith", default=root / "build" / "pith", metavar="FILE")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--prefill", type=int, metavar="N", help="profile the reading of N tokens")
    what.add_argument("--decode-at", type=int, metavar="N", help="profile decoding after N tokens")
    parser.add_argument("--generate", type=int, default=128, metavar="N", help="tokens to decode (%(default)s)")
    parser.add_argument("--kv", metavar="RECIPE", help="with --decode-at: compress the cache first")
    parser.add_argument("--functions", type=int, default=8, metavar="N", help="functions to list (%(default)s)")
    return parser.parse_args()


def record(arguments, data):
    decode = arguments.decode_at is not None
    argv = [str(arguments.pith), "bench", "-m", arguments.model, "--threads", str(arguments.threads), "--json", "--no-ceilings",
            "--repeat", "2" if decode else "1", "--prompt", str(0 if decode else arguments.prefill),
            "--generate", str(arguments.generate if decode else 0), "--depth", str(arguments.decode_at or 0)]
    argv += ["--kv", arguments.kv] if arguments.kv else []
    done = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(RATE), "-o", data, "--", *argv],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"profile: {done.stderr.strip()[-500:]}")
    said = json.loads(done.stdout)
    runs, tokens = (said["decode_runs"], arguments.generate) if decode else (said["prefill_runs"], arguments.prefill)
    return sum(tokens / speed for speed in runs)


def samples(data, seconds):
    """(symbol, in the program) of every sample in the last `seconds` before the process began to end."""
    text = subprocess.run(["perf", "script", "-i", data, "-F", "tid,time,ip,sym,dso", "--no-inline"], capture_output=True,
                          text=True, check=True).stdout
    rows = []
    for line in text.splitlines():
        match = re.match(r"\s*(\d+)\s+([\d.]+):\s+[0-9a-f]+\s+(.*?)\s+\((.*)\)$", line)
        if match:
            rows.append((float(match[2]), match[3], match[4].endswith("pith")))
    end = rows[-1][0]
    return [(symbol, ours) for when, symbol, ours in rows if when > end - seconds]


def short(symbol):
    symbol = symbol.replace("(anonymous namespace)::", "").replace("pith::", "")
    return symbol if len(symbol) <= 90 else symbol[:87] + "..."


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "perf.data")
        try:
            seconds = record(arguments, data)
            taken = samples(data, seconds)
        except FileNotFoundError as error:
            sys.exit(f"profile: {error.filename} is not installed (Debian: apt install linux-perf)")
    total = seconds * arguments.threads * RATE
    phases, functions = collections.Counter(), collections.Counter()
    for symbol, ours in taken:
        phases[phase_of(symbol, ours)] += 1
        functions[short(symbol)] += 1
    what = f"prefill {arguments.prefill}" if arguments.prefill else f"decode at {arguments.decode_at}"
    print(f"{pathlib.Path(arguments.model).stem}, {what}, {arguments.threads} threads, {obtain.commit_of('.')}: {seconds:.1f} s\n")
    print("| phase | share of threads × time |\n| --- | ---: |")
    for phase, count in [*phases.most_common(), ("idle", max(0, total - len(taken)))]:
        print(f"| {phase} | {count / total:.1%} |")
    print("\n| function | share |\n| --- | ---: |")
    for name, count in functions.most_common(arguments.functions):
        print(f"| `{name}` | {count / total:.1%} |")


if __name__ == "__main__":
    main()
