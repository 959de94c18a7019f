"""Reads the few facts about a GGUF file that a plan of measurements needs. It reads no tensors."""

import struct

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


class _Reader:
    def __init__(self, file):
        self.file = file

    def scalar(self, letter):
        return struct.unpack("<" + letter, self.file.read(struct.calcsize("<" + letter)))[0]

    def string(self):
        return self.file.read(self.scalar("Q")).decode("utf-8", "replace")

    def value(self, kind):
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.scalar(_SCALARS[kind])
        item, count = self.scalar("I"), self.scalar("Q")
        if item in _SCALARS:
            self.file.seek(count * struct.calcsize("<" + _SCALARS[item]), 1)
            return None
        for _ in range(count):
            self.value(item)
        return None


def read_facts(path):
    """{"context_length", "cache_bytes_per_token" (16 bit), "weight_bytes"} of a model file."""
    with open(path, "rb") as file:
        reader = _Reader(file)
        if file.read(4) != b"GGUF":
            raise ValueError(f"{path} is no GGUF file")
        reader.scalar("I")
        reader.scalar("Q")
        values = {}
        for _ in range(reader.scalar("Q")):
            key = reader.string()
            values[key] = reader.value(reader.scalar("I"))
        file.seek(0, 2)
        size = file.tell()
    get = lambda key, default=None: values.get(values["general.architecture"] + "." + key, default)
    heads = get("attention.head_count")
    key_width = get("attention.key_length", get("embedding_length") // heads)
    value_width = get("attention.value_length", key_width)
    per_token = 2 * get("block_count") * get("attention.head_count_kv", heads) * (key_width + value_width)
    return {"context_length": get("context_length"), "cache_bytes_per_token": per_token, "weight_bytes": size}
