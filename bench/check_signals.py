#!/usr/bin/env python3
"""What does the check of a cache tell of the answers that it loses? Reads runs of `pith eval --check`.

    bench/check_signals.py RUN [RUN...]

A cache is one document under one recipe; what it loses is the share of the answers, right from the whole cache, that it gets wrong.
Prints that by how much the cache repeats (of the sample's tokens that the whole cache repeats), with a bootstrap over documents, and how
well `repeats` and `rise` order caches by their losses: all of them, those of one recipe, those of one document (Spearman; 0: not at all).
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

EDGES = [0.99, 0.9, 0.0]  # of `repeats`, from above, as kMeasured of src/engine/guard/span_damage.cpp has them


def read(folders):
    """Caches with something to lose: recipe, document, repeats, rise, lost (the share), answers."""
    answers = defaultdict(dict)  # [document, recipe][item]
    for folder in folders:
        for path in sorted(Path(folder).glob("predictions*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                one = json.loads(line)
                answers[one["suite"], one["document"], one["recipe"]][one["item"]] = one
    caches = []
    for (suite, document, recipe), items in answers.items():
        full = answers.get((suite, document, "full"), {})
        held = [item for item in items if item in full and full[item]["score"] == 1]
        any_item = next(iter(items.values()))
        if recipe == "full" or not held or "check_missed" not in any_item:
            continue
        if any_item.get("check_known") == 0:  # the whole cache repeats nothing of it: SpanDamage::repeats() is none
            continue
        caches.append(
            {
                "recipe": recipe,
                "document": (suite, document),
                "repeats": 1 - any_item["check_missed"],
                "rise": any_item["check_rise"],
                "lost": sum(items[item]["score"] < 1 for item in held) / len(held),
                "answers": len(held),
            }
        )
    return caches


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    out = [0.0] * len(values)
    begin = 0
    while begin < len(order):
        end = begin
        while end < len(order) and values[order[end]] == values[order[begin]]:
            end += 1
        for at in order[begin:end]:
            out[at] = (begin + end - 1) / 2
        begin = end
    return out


def spearman(a, b):
    """None where one of the two does not vary."""
    a, b = ranks(a), ranks(b)
    mean = (len(a) - 1) / 2
    top = sum((x - mean) * (y - mean) for x, y in zip(a, b))
    below = sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)
    return top / below**0.5 if below > 0 else None


def within(caches, key, signal):
    """The mean of the correlations inside groups of at least four caches, and the number of those groups."""
    groups = defaultdict(list)
    for cache in caches:
        groups[cache[key]].append(cache)
    found = [
        spearman([signal(c) for c in group], [c["lost"] for c in group]) for group in groups.values() if len(group) >= 4
    ]
    found = [value for value in found if value is not None]
    return (sum(found) / len(found), len(found)) if found else (float("nan"), 0)


def interval(caches, draws=2000):
    """95 %, over documents."""
    documents = defaultdict(list)
    for cache in caches:
        documents[cache["document"]].append(cache["lost"])
    groups = list(documents.values())
    generator = random.Random(1)
    means = []
    for _ in range(draws):
        drawn = [value for _ in groups for value in generator.choice(groups)]
        means.append(sum(drawn) / len(drawn))
    means.sort()
    return means[int(0.025 * draws)], means[int(0.975 * draws)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of pith eval --check")
    caches = read(parser.parse_args().runs)
    if not caches:
        parser.error("no checked caches there: were the runs made with --check (check: true)?")
    print(f"{len(caches)} caches of {len({c['document'] for c in caches})} documents, {sum(c['answers'] for c in caches)} answers")
    print("\nrepeats        caches  recipes  answers lost [95 %]")
    for above, below in zip([2, *EDGES], EDGES):
        group = [c for c in caches if below <= c["repeats"] < above]
        if not group:
            continue
        low, high = interval(group)
        mean = sum(c["lost"] for c in group) / len(group)
        name = f"{100 * below:.0f} to {100 * min(above, 1):.0f} %"
        print(f"{name:13} {len(group):7} {len({c['recipe'] for c in group}):8}  {100 * mean:.0f} [{100 * low:.0f}, {100 * high:.0f}]")
    print("\nrecipe                                    caches  repeats %  rise  answers lost %")
    for recipe in dict.fromkeys(c["recipe"] for c in caches):
        group = [c for c in caches if c["recipe"] == recipe]
        mean = {key: sum(c[key] for c in group) / len(group) for key in ("repeats", "rise", "lost")}
        print(f"{recipe:41} {len(group):6} {100 * mean['repeats']:10.1f} {mean['rise']:5.2f} {100 * mean['lost']:15.0f}")
    print("\nSpearman with the answers lost     all  within a recipe (recipes)  within a document (documents)")
    for name, signal in (("repeats, less", lambda c: -c["repeats"]), ("rise", lambda c: c["rise"])):
        everywhere = spearman([signal(c) for c in caches], [c["lost"] for c in caches])
        recipe, recipes = within(caches, "recipe", signal)
        document, documents = within(caches, "document", signal)
        print(f"{name:33} {everywhere:5.2f}  {recipe:15.2f} ({recipes}) {document:25.2f} ({documents})")


if __name__ == "__main__":
    main()
