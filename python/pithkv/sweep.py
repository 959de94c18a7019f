"""A run of `pith eval` on many processes or machines with Ray.

    python -m pithkv.sweep CONFIG.yaml --out DIR [--workers N] [--address RAY]

CONFIG.yaml is the file that `pith eval` takes. A work item is one document with all its recipes; its answers are appended to
DIR/items/KEY.jsonl, KEY being a hash of its settings. An item that is there is not computed again, so a sweep that was stopped goes on
when it is started again, and a worker that is killed costs what it was just computing. Results equal those of `pith eval`.
"""

import argparse
import os
import sys
from pathlib import Path

import pithkv
from pithkv._worker import answer_item

# Times that an item is tried when its worker dies.
RETRIES = 5


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="python -m pithkv.sweep", description=__doc__.split("\n\n")[0])
    parser.add_argument("config", help="settings, as pith eval takes them")
    parser.add_argument("--out", required=True, help="folder of the results, the same path on every machine")
    parser.add_argument("--workers", type=int, default=1, help="processes at once (default 1)")
    parser.add_argument("--threads", type=int, help="threads of each; default: the cores shared out among the workers")
    parser.add_argument("--address", help="a running Ray cluster; without it one is started here")
    options = parser.parse_args(arguments)
    if options.workers < 1:
        parser.error("--workers: at least 1")
    return options


def start_ray(options):
    """Ray on this machine alone unless an address is given."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise SystemExit("pithkv.sweep: Ray is not installed; pip install ray, or split the run with pith eval --shard I/N")
    if options.address:
        ray.init(address=options.address)
    else:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # nothing listens beyond this machine
        ray.init(
            num_cpus=options.workers,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=80 << 20,  # the least that Ray takes: only numbers pass through it
            _node_ip_address="127.0.0.1",
        )
    return ray


def run(ray, options, yaml, items):
    """Submits all items and reports them as they end. Raises the first error that a worker met."""
    threads = options.threads or max(1, (os.cpu_count() or 1) // options.workers)
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(answer_item)
    out = str(Path(options.out).resolve())
    waiting = [task.remote(yaml, options.config, threads, item.number, out) for item in items]
    done = 0
    while waiting:
        ended, waiting = ray.wait(waiting)
        for reference in ended:
            number, answered, pid = ray.get(reference)
            done += 1
            print(f"{done}/{len(items)} item {number}: {answered} answers by process {pid}", file=sys.stderr, flush=True)


def main(arguments=None):
    options = parse_arguments(arguments)
    try:
        yaml = Path(options.config).read_text(encoding="utf-8")
        config = pithkv.parse_config(yaml, options.config)
        engine = pithkv.load_for(config)
        items = pithkv.work_items(engine, config)
        pithkv.record_config(engine, config, options.out)
        del engine  # the workers have their own
        ray = start_ray(options)
        try:
            run(ray, options, yaml, items)
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, pithkv.Error) else error
        finally:
            ray.shutdown()
        pithkv.merge_runs([options.out], options.out)
        pithkv.write_metrics(options.out, config.baseline)
    except (pithkv.Error, OSError) as error:
        raise SystemExit(f"pithkv.sweep: {error}")


if __name__ == "__main__":
    main()
