"""What pith promises about itself, without a peer: compressed decode, cost of signals and replay, memory."""

import measure
from engines import Work

RECIPE_TOKENS = 4096
ONE_PASS = ["snapkv @ 4x", "expected_attention @ 4x", "observed_attention @ 4x", "keydiff @ 4x"]
REPLAY = "kvzip_plus + global @ 4x"
PLAIN = Work(prompt=RECIPE_TOKENS, recipe="full")  # apart from the reading that takes turns with the peers'
# 16,000 tokens of which a tenth stays, and a cache that was never longer than that tenth.
COMPRESSED = Work(generate=64, depth=16000, recipe="snapkv @ 10x", repeat=5)
SHORT = Work(generate=64, depth=1600, repeat=5)
ALLOWANCE_BYTES = 300 * 2**20


def reading_works():
    return [PLAIN] + [Work(prompt=RECIPE_TOKENS, recipe=recipe) for recipe in ONE_PASS + [REPLAY]]


def reading_ratios(samples):
    """{recipe: {"read", "total", "replay": Spread}}: seconds as multiples of the plain reading in the same round.

    `total` is reading and compression, without the replay."""
    plain = samples["pith", PLAIN]
    ratios = {}
    for work in reading_works()[1:]:
        pairs = [(ours.details, base.details["depth_read_s"]) for ours, base in zip(samples.get(("pith", work), []), plain)
                 if ours and base]
        ratios[work.recipe] = {
            "read": measure.spread(said["depth_read_s"] / base for said, base in pairs),
            "total": measure.spread((said["depth_read_s"] + said["compress_s"]) / base for said, base in pairs),
            "replay": measure.spread(said["replay_s"] / base for said, base in pairs if said["replay_s"] > 0),
        }
    return ratios


def compressed_ratio(samples):
    """Speed of the compressed cache as a share of the short one's, round by round."""
    return measure.ratio(samples.get(("pith", COMPRESSED), []), samples.get(("pith", SHORT), []))


def memory_limit(facts, tokens):
    """Weights + cache + an allowance, in bytes."""
    return facts["weight_bytes"] + tokens * facts["cache_bytes_per_token"] + ALLOWANCE_BYTES
