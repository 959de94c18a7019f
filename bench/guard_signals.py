"""Which signal should the guard look at? Reads the records of `pith calibrate --what guard --records FILE`.

    bench/guard_signals.py CALIBRATION [--tests FILE] [--risk 0.05]

For every signal that a record holds, and for the ratio itself (what a fixed ratio would do): the threshold that conformal risk
control sets on the calibration's documents, what it gives there and on the tests' suites, and how well the signal tells documents
that lose an answer from others that do not on the same rung (AUC, 0.5: not at all).
"""

import argparse
import json
import math
from collections import defaultdict

SIGNALS = ["rise", "worst", "missed", "routes", "ratio", "value"]  # the first five as records have them


def read(paths):
    """Documents with something to lose, each once."""
    seen = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                key, _, record = line.partition("\t")
                document = json.loads(record)
                if document["right"] > 0:
                    seen[key] = document
    return list(seen.values())


def signal_of(document, name):
    if name == "value":  # GuardSignal::value(): the rise beyond noise, and the ratio
        rises = [max(0, rung[0] - 0.1) for rung in document["signals"]]
        return [rise + 0.01 * rung[4] for rise, rung in zip(rises, document["signals"])]
    column = SIGNALS.index(name)
    return [rung[column] for rung in document["signals"]]


def passed(signals, threshold):
    """Rungs from the first on; what was not measured lies behind a total loss."""
    count = 0
    while count < len(signals) and signals[count] <= threshold:
        count += 1
    return count


def outcome(documents, name, threshold):
    """Mean loss and the ratio of all bytes."""
    losses, parts = [], []
    for document in documents:
        rungs = passed(signal_of(document, name), threshold)
        losses.append(document["losses"][rungs - 1] if rungs else 0)
        parts.append(1 / document["ratios"][rungs - 1] if rungs else 1)
    return sum(losses) / len(losses), len(parts) / sum(parts)


def threshold_for(documents, name, risk):
    """The largest signal with n / (n + 1) loss + 1 / (n + 1) <= risk."""
    n = len(documents)
    best = -math.inf
    for value in sorted({value for document in documents for value in signal_of(document, name)}):
        if n / (n + 1) * outcome(documents, name, value)[0] + 1 / (n + 1) > risk + 1e-12:
            break
        best = value
    return best


def auc(documents, name):
    """Over pairs of documents on the same rung, one that lost an answer there and one that did not."""
    wins = pairs = 0
    rungs = defaultdict(lambda: ([], []))
    for document in documents:
        before = 0
        for rung, (value, loss) in enumerate(zip(signal_of(document, name), document["losses"])):
            rungs[rung][loss > before].append(value)
            before = loss
    for kept, lost in rungs.values():
        pairs += len(kept) * len(lost)
        wins += sum((a > b) + (a == b) / 2 for a in lost for b in kept)
    return wins / pairs if pairs else math.nan


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calibration", nargs="+")
    parser.add_argument("--tests", nargs="*", default=[])
    parser.add_argument("--risk", type=float, default=0.05)
    options = parser.parse_args()
    calibration = read(options.calibration)
    tests = defaultdict(list)
    for document in read(options.tests):
        tests[document["suite"]].append(document)
    print(f"{len(calibration)} documents, risk {options.risk}")
    for name in SIGNALS:
        threshold = threshold_for(calibration, name, options.risk)
        loss, ratio = outcome(calibration, name, threshold)
        line = f"{name:7} auc {auc(calibration, name):.2f}  threshold {threshold:8.4f}  calibration {loss:.3f} at {ratio:.1f}x"
        for suite, documents in tests.items():
            loss, ratio = outcome(documents, name, threshold)
            line += f"  {suite} ({len(documents)}) {loss:.3f} at {ratio:.1f}x"
        print(line)


if __name__ == "__main__":
    main()
