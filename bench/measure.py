"""Runs programs one at a time and records speed, memory and what else the machine did. It knows no engine.

The machine may be shared. So engines take turns within every round, and every sample carries the share of the machine's
processor time that other processes used meanwhile: a sample with a large share says little about the engine.
"""

import dataclasses
import os
import statistics
import subprocess
import tempfile
import time

_TICKS = os.sysconf("SC_CLK_TCK")


class RunFailed(Exception):
    """A program ended badly; the message carries its last words."""


@dataclasses.dataclass
class Finished:
    stdout: str
    stderr: str
    seconds: float
    peak_rss_bytes: int
    others_share: float  # of all processors' time, used by other processes


@dataclasses.dataclass
class Sample:
    tok_s: float
    seconds: float
    peak_rss_bytes: int
    others_share: float
    details: dict = dataclasses.field(default_factory=dict)


def busy_seconds():
    """Processor seconds that this machine has worked (steal counts: it was not ours)."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _wait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def wait_for_quiet(limit_seconds, quiet_share=0.15):
    """Waits until other processes leave the machine alone for two seconds, or for the limit."""
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end:
        before = busy_seconds()
        time.sleep(2)
        if (busy_seconds() - before) / (2 * (os.cpu_count() or 1)) < quiet_share:
            return


def run(argv, environment=None, timeout_seconds=3600):
    """Runs a program to its end; its output goes through files, so that a talkative one cannot block."""
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
        busy, start = busy_seconds(), time.monotonic()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   env={**os.environ, **(environment or {})})
        try:
            status, usage = wait(process, start + timeout_seconds)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        seconds = time.monotonic() - start
        others = busy_seconds() - busy - usage.ru_utime - usage.ru_stime
        out.seek(0), err.seek(0)
        stdout, stderr = out.read(), err.read()
    if status != 0:
        words = " / ".join(stderr.strip().splitlines()[-3:]) or stdout.strip()[-300:]
        raise RunFailed(f"{os.path.basename(argv[0])} ended with status {status}: {words}")
    share = max(0.0, others) / (seconds * (os.cpu_count() or 1))
    return Finished(stdout, stderr, seconds, usage.ru_maxrss * 1024, min(1.0, share))


def wait(process, deadline):
    """wait4 with a deadline: the resources of this child alone, which subprocess does not give."""
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage
        if time.monotonic() > deadline:
            raise RunFailed(f"{os.path.basename(process.args[0])} did not end in time")
        time.sleep(0.02)


def sample(engine, model, threads, work):
    """One run of one engine."""
    finished = run(engine.bench_command(model, threads, work), engine.environment)
    try:
        reading = engine.read(finished.stdout, work)
    except (ValueError, KeyError, TypeError, ZeroDivisionError, IndexError) as error:
        raise RunFailed(f"{engine.name} printed no speed ({error!r}): {finished.stdout[-200:]!r}") from None
    return Sample(reading.tok_s, finished.seconds, finished.peak_rss_bytes, finished.others_share, reading.details)


def round_robin(engines, model, threads, works, rounds, quiet_seconds, report):
    """Every work for every engine, `rounds` times; the engine that goes first changes.

    {(engine, work): [Sample or None for each round]}; None stands for a run that failed.
    """
    samples = {(engine.name, work): [] for work in works for engine in engines}
    for turn in range(rounds):
        for work in works:
            for engine in engines[turn % len(engines):] + engines[:turn % len(engines)]:
                if quiet_seconds:
                    wait_for_quiet(quiet_seconds)
                try:
                    got = sample(engine, model, threads, work)
                except RunFailed as error:
                    report(f"  round {turn + 1}, {work.label()}: {engine.name}: {error}")
                    samples[engine.name, work].append(None)
                    continue
                samples[engine.name, work].append(got)
                report(f"  round {turn + 1}, {work.label()}: {engine.name} {got.tok_s:.1f} tok/s "
                       f"({got.seconds:.0f} s, others {got.others_share:.0%})")
    return samples


@dataclasses.dataclass
class Spread:
    low: float
    median: float
    high: float
    count: int


def spread(values):
    values = list(values)
    return Spread(min(values), statistics.median(values), max(values), len(values)) if values else None


def speeds(samples):
    return spread(sample.tok_s for sample in samples if sample)


def ratio(ours, theirs):
    """Spread of the ratios of samples taken in the same round: what else the machine did then slowed both."""
    return spread(a.tok_s / b.tok_s for a, b in zip(ours, theirs) if a and b)
