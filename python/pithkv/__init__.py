"""pithkv: compressed KV caches from Python.

    import pithkv

    engine = pithkv.Engine("qwen2.5-coder-0.5b-instruct")
    whole = engine.read(open("handbook.txt").read(), recipes=["kvzip_plus + global + int4 @ 4x"])
    small = whole.compress("kvzip_plus + global + int4 @ 4x")
    print(small.cache_bytes, whole.check(small), small.ask("Who signs for fuel deliveries?").text)

    talk = pithkv.Conversation(engine, recipe="kvzip_plus + global @ 4x", over_bytes=8 << 20)
    talk.say("My name is Ada.", on_text=print)
    talk.compress_in_background()

Everything that computes releases the GIL. What a caller can do wrong raises `pithkv.Error`.
"""

from ._core import (
    Answer,
    Check,
    Context,
    Conversation,
    ConversationAccount,
    Engine,
    Error,
    RunConfig,
    RunSummary,
    WorkItem,
    __version__,
    canonical_recipe,
    load_for,
    merge_runs,
    parse_config,
    record_config,
    run_eval,
    run_eval_item,
    suites,
    work_items,
    write_metrics,
)

__all__ = [
    "Answer",
    "Check",
    "Context",
    "Conversation",
    "ConversationAccount",
    "Engine",
    "Error",
    "RunConfig",
    "RunSummary",
    "WorkItem",
    "__version__",
    "canonical_recipe",
    "load_for",
    "merge_runs",
    "parse_config",
    "record_config",
    "run_eval",
    "run_eval_item",
    "suites",
    "work_items",
    "write_metrics",
]
