"""What runs in a worker of a sweep: one work item, with the model kept from item to item."""

import os
from functools import lru_cache

import pithkv


@lru_cache(maxsize=1)
def _engine_of(yaml: str, name: str, threads: int):
    config = pithkv.parse_config(yaml, name)
    config.threads = threads
    return config, pithkv.load_for(config)


def answer_item(yaml: str, name: str, threads: int, number: int, out: str) -> tuple[int, int, int]:
    """Returns the item's number, the answers that this call gave, and the process that gave them."""
    config, engine = _engine_of(yaml, name, threads)
    return number, pithkv.run_eval_item(engine, config, number, out).answered, os.getpid()
