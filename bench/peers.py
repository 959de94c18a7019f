#!/usr/bin/env python3
"""Measures pith beside llama.cpp and ik_llama.cpp on the same model file, interleaved in one run."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import bars
import engines
import measure
import model_file
import obtain
import own
import plan
import report

EXAMPLES = """examples:
  bench/peers.py                                        the default model, about half an hour
  bench/peers.py -m model.gguf --deepest                decode at 16,384 as well
  bench/peers.py -m a.gguf -m b.gguf --ik ~/src/ik_llama.cpp --json out/bench.json --page docs/speed.md
  bench/peers.py --isa avx2                             AVX2 kernels everywhere (peers built without AVX-512)
  bench/peers.py --clock cpu                            one thread, timed in processor seconds: for a busy machine
  bench/peers.py --check                                status 1 when a bar is missed
  bench/peers.py --build-only --ik ~/src/ik_llama.cpp   only get and build the peers

Without a pith that can `bench`, the peers are measured alone. Needs cmake, a C++ compiler, python3 with pip and, the first
time, a network. Nothing is written into the repository but what --json and --page name."""

DEFAULT_MODEL = "qwen2.5-coder-0.5b-instruct"
LEAST_SHORT_ROUNDS = 2  # of what takes seconds, and what else is planned with
REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/peers.py", description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-m", "--model", action="append", metavar="MODEL", help=f"a GGUF file, or a name that pith pull knows; may repeat ({DEFAULT_MODEL})")
    add("--pith", default=REPOSITORY / "build" / "pith", metavar="FILE", help="the pith program (build/pith)")
    add("--work", type=pathlib.Path, default=obtain.default_work(), metavar="DIR", help="where peers are built (%(default)s)")
    add("--llama", metavar="DIR", help="a source tree of llama.cpp instead of the one that the package carries")
    add("--llama-version", default=obtain.VERSION, metavar="V", help=f"version of the package {obtain.PACKAGE} (%(default)s)")
    add("--ik", metavar="DIR", help="a source tree of ik_llama.cpp; without one it is left out")
    add("--isa", choices=sorted(obtain.ISA_FLAGS), default="native", help="instruction set for every engine (%(default)s)")
    add("--clock", choices=["wall", "cpu"], default="wall", help="cpu: speeds per second of processor time, with one thread (%(default)s)")
    add("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="threads for every engine (%(default)s)")
    add("--rounds", type=int, default=3, metavar="N", help="rounds in which the engines take turns (%(default)s)")
    add("--budget-minutes", type=float, default=60, metavar="N", help="per model; what does not fit is left out (%(default)s)")
    add("--deepest", action="store_true", help="also decode at 16,384, and from 16,000 tokens compressed 10x (for the 0.5B model)")
    add("--peers-only", action="store_true", help="leave pith out")
    add("--no-own", action="store_true", help="leave out what concerns pith alone")
    add("--quiet-wait", type=float, default=0, metavar="S", help="before each run, wait up to S seconds for other processes to rest")
    add("--jobs", type=int, default=2, metavar="N", help="compilers at once (%(default)s)")
    add("--json", type=pathlib.Path, metavar="FILE", help="write everything that was measured")
    add("--page", type=pathlib.Path, metavar="FILE", help="put the tables into this markdown page, each between its marks")
    add("--check", action="store_true", help="status 1 when a bar is missed or could not be measured")
    add("--build-only", action="store_true", help="stop after the peers are built")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.threads < 1:
        parser.error("--rounds and --threads must be at least 1")
    if arguments.clock == "cpu":
        arguments.threads = 1
    return arguments


def say(text):
    print(text, file=sys.stderr, flush=True)


def build_peers(arguments):
    peers = []
    wanted = [("llama.cpp", engines.Peer), ("ik_llama.cpp", engines.IkPeer)]
    for name, kind in wanted:
        try:
            if name == "llama.cpp":
                version = arguments.llama_version
                source = arguments.llama or obtain.llama_cpp_source(arguments.work, version)
                version = obtain.commit_of(source) if arguments.llama else f"(llama-cpp-python {version})"
            elif arguments.ik:
                source, version = arguments.ik, obtain.commit_of(arguments.ik) or "unknown"
            else:
                say("peers: no --ik DIR, so ik_llama.cpp is left out")
                continue
            label = version.strip("()").split()[-1] if version else "unknown"
            peers.append(kind(name, version, obtain.build(arguments.work, name, label, source, arguments.isa, arguments.jobs)))
        except obtain.Unavailable as error:
            say(f"peers: {name} is left out: {error}")
    return peers


def find_pith(arguments):
    """pith, when it is built and knows `bench`."""
    program = pathlib.Path(arguments.pith)
    if arguments.peers_only:
        return None
    if not program.exists():
        say(f"peers: {program} does not exist (run make), so the peers are measured alone")
        return None
    if subprocess.run([program, "bench", "--help"], capture_output=True, check=False).returncode != 0:
        say(f"peers: {program} knows no `bench`, so the peers are measured alone")
        return None
    return engines.Pith(program.resolve(), obtain.commit_of(REPOSITORY), arguments.isa)


def find_model(name):
    folder = pathlib.Path(os.environ.get("PITH_MODELS") or
                          pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "pith" / "models")
    for path in (pathlib.Path(name), folder / f"{name}.gguf"):
        if path.is_file():
            return path
    sys.exit(f"peers: no model {name}: neither a file nor {folder / (name + '.gguf')}; run `pith pull {name}`")


def check_answers(all_engines, model):
    """{engine: checks}; a speed with wrong answers measures nothing."""
    answers = {}
    for engine in all_engines:
        answers[engine.name] = []
        for prompt, expected in engines.ANSWER_CHECKS:
            try:
                done = measure.run(engine.answer_command(model, prompt, engines.ANSWER_TOKENS), engine.environment, 600)
                got = " ".join(engine.answer(done.stdout, done.stderr, prompt).split())[:60]
            except (measure.RunFailed, ValueError, KeyError) as error:
                got = str(error)[:200]
            answers[engine.name].append({"expected": expected, "got": got, "ok": got.lstrip(" *").startswith(expected)})
            say(f"  answer of {engine.name}: {got!r}{'' if answers[engine.name][-1]['ok'] else '  WRONG, expected ' + expected}")
    return answers


def read_ceilings(pith, model, threads):
    said = json.loads(measure.run(pith.ceilings_command(model, threads), pith.environment).stdout)
    return said.get("ceilings") or {}


def measure_model(arguments, peers, pith, path):
    start, facts = time.monotonic(), model_file.read_facts(path)
    result = report.Result(path.stem, facts, arguments.isa, arguments.threads, [], {}, clock=arguments.clock,
                           machine=report.describe_machine())
    say(f"{result.model_name}: checking answers")
    candidates = ([pith] if pith else []) + peers
    result.answers = check_answers(candidates, path)
    result.engines = [engine for engine in candidates if all(check["ok"] for check in result.answers[engine.name])]
    if not result.engines:
        return result

    def seconds_left():
        return arguments.budget_minutes * 60 - (time.monotonic() - start)

    def add(works, who=None, least_rounds=1):
        if works:
            result.samples.update(measure.round_robin(who or result.engines, path, arguments.threads, works,
                                                      max(arguments.rounds, least_rounds), arguments.quiet_wait, say))

    def typical_speeds(who):
        both = [[measure.speeds(result.of(engine.name, work)) for work in (plan.SHORT_PREFILL, plan.SHALLOW_DECODE)] for engine in who]
        return [(prefill.median, decode.median) for prefill, decode in both if prefill and decode]

    add([plan.SHORT_PREFILL, plan.SHALLOW_DECODE], least_rounds=LEAST_SHORT_ROUNDS)
    works, result.skipped = plan.wanted(facts, arguments.deepest)
    chosen, too_long = plan.fit(works, typical_speeds(result.engines), arguments.rounds, seconds_left())
    result.skipped.update(too_long)
    add(chosen)
    if pith in result.engines:
        result.ceilings = read_ceilings(pith, path, arguments.threads)
        if not arguments.no_own:
            wanted = [own.SHORT, own.COMPRESSED] if arguments.deepest and facts["context_length"] > own.COMPRESSED.depth else []
            for group in (own.reading_works(), wanted):
                fits, left_out = plan.fit(group, typical_speeds([pith]), arguments.rounds, seconds_left())
                add(fits, [pith])
                result.notes += [f"pith alone, {work.recipe or work.label()}: left out, {reason}" for work, reason in left_out.items()]
    return result


def main():
    arguments = parse_arguments()
    arguments.work.mkdir(parents=True, exist_ok=True)
    peers = build_peers(arguments)
    if arguments.build_only:
        return 0
    pith = find_pith(arguments)
    if not peers and not pith:
        sys.exit("peers: nothing to measure: no peer could be built and there is no pith")
    if arguments.clock == "cpu":
        try:
            preload = {"LD_PRELOAD": str(obtain.cpu_clock(arguments.work))}
        except obtain.Unavailable as error:
            sys.exit(f"peers: --clock cpu: {error}")
        for engine in ([pith] if pith else []) + peers:
            engine.environment = {**engine.environment, **preload}
    results = []
    for path in [find_model(name) for name in arguments.model or [DEFAULT_MODEL]]:
        results.append(measure_model(arguments, peers, pith, path))
        print(report.markdown(results[-1]), flush=True)
        if arguments.page:
            report.put_into_page(arguments.page, results[-1])
        if arguments.json:  # after every model: a long run that is interrupted keeps what it has
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            arguments.json.write_text(json.dumps([report.as_json(result) for result in results], indent=1) + "\n", encoding="utf-8")
    missed = [(result.model_name, bar) for result in results for bar in bars.all_bars(result) if bar.verdict() != "ok"]
    if arguments.check and missed:
        for name, bar in missed:
            say(f"{name}: {bar.verdict()}: {bar.text()}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
