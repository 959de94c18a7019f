"""The command lines of pith and its peers, and how to read what they print. It runs nothing.

Every engine answers the same three questions as an argument list: a short answer, a prefill, a decode at a depth.
"""

import dataclasses
import json
import pathlib

# What any model knows and any model can look up. The second prompt has more tokens than kernels take as "few", so it checks the
# path of many rows, and what follows it the path of one.
ANSWER_CHECKS = [
    ("The capital of France is", "Paris"),
    ("Door codes\nkitchen: 4817\ncellar: 2093\ngarage: 5562\nattic: 7340\noffice: 6128\n\n"
     "The same door codes once more\nkitchen: 4817\ncellar:", "2093"),
]
ANSWER_TOKENS = 12


@dataclasses.dataclass(frozen=True)
class Work:
    """One measurement: read `prompt` tokens, or generate `generate` tokens after `depth` others."""
    prompt: int = 0
    generate: int = 0
    depth: int = 0
    recipe: str = ""
    repeat: int = 1

    def label(self):
        if self.prompt:
            return f"prefill {self.prompt}"
        return f"decode at {self.depth}"


@dataclasses.dataclass
class Reading:
    """What one run gave: tokens per second, and what else the engine said."""
    tok_s: float
    details: dict = dataclasses.field(default_factory=dict)


class Peer:
    """llama.cpp or ik_llama.cpp, through llama-bench."""
    kv = "f16"
    environment = {}

    def __init__(self, name, version, programs):
        self.name, self.version = name, version
        self.bench, self.simple = (str(pathlib.Path(programs) / tool) for tool in ("llama-bench", "llama-simple"))

    def bench_command(self, model, threads, work):
        argv = [self.bench, "-m", str(model), "-t", str(threads), "-r", "1", "-o", "json"]
        if work.prompt:
            # A long prefill is measured cold: llama.cpp would warm up with the whole prompt, ik_llama.cpp with one token.
            return argv + ["-p", str(work.prompt), "-n", "0"] + (self.no_warm_up() if work.prompt > 1024 else [])
        return argv + self.decode_arguments(work)

    def no_warm_up(self):
        return ["--no-warmup"]

    def decode_arguments(self, work):
        return ["-p", "0", "-n", str(work.generate), "-d", str(work.depth)]

    def read(self, stdout, work):
        rows = json.loads(stdout[stdout.index("["):])
        return Reading(float(rows[-1]["avg_ts"]))

    def answer_command(self, model, prompt, tokens):
        return [self.simple, "-m", str(model), "-n", str(tokens), prompt]

    def answer(self, stdout, stderr, prompt):
        return after_prompt(stdout + stderr, prompt)


class IkPeer(Peer):
    def no_warm_up(self):
        return []

    def decode_arguments(self, work):
        if work.depth == 0:
            return ["-p", "0", "-n", str(work.generate)]
        return ["-p", "0", "-n", "0", "-gp", f"{work.depth},{work.generate}"]

    def answer_command(self, model, prompt, tokens):
        # -n counts the prompt here: as long as the prompt has words and numbers, in tokens, and some more.
        return [self.simple, "-m", str(model), "-p", prompt, "-n", str(tokens + len(prompt) // 3)]


class Pith:
    """pith itself. PITH_ISA chooses the kernels when the comparison is not with the machine's best."""
    name, kv = "pith", "bf16"

    def __init__(self, program, version, isa):
        self.program, self.version = str(program), version
        self.environment = {} if isa == "native" else {"PITH_ISA": isa}

    def bench_command(self, model, threads, work):
        # A prefill of more than 1,024 tokens is the (cold) reading of a depth; a shorter one is warmed up, as the peers' is.
        cold = work.prompt > 1024
        argv = [self.program, "bench", "-m", str(model), "--threads", str(threads), "--json", "--no-ceilings",
                "--prompt", str(0 if cold else work.prompt), "--generate", str(1 if cold else work.generate),
                "--depth", str(work.prompt if cold else work.depth), "--repeat", str(work.repeat)]
        return argv + (["--kv", work.recipe] if work.recipe else [])

    def read(self, stdout, work):
        said = json.loads(stdout)
        if work.prompt > 1024:
            return Reading(work.prompt / said["depth_read_s"], said)
        return Reading(float(said["prefill_tok_s" if work.prompt else "decode_tok_s"]), said)

    def ceilings_command(self, model, threads):
        return [self.program, "bench", "-m", str(model), "--threads", str(threads), "--json", "--prompt", "0", "--generate", "1",
                "--repeat", "1"]

    def answer_command(self, model, prompt, tokens):
        return [self.program, "generate", "-m", str(model), "-p", prompt, "--max-tokens", str(tokens), "--temperature", "0",
                "--json"]

    def answer(self, stdout, stderr, prompt):
        return json.loads(stdout)["text"]


def after_prompt(printed, prompt):
    """What stands behind the last copy of the prompt (the peers print it, perhaps with a marker before it)."""
    tail = prompt[-24:]
    at = printed.rfind(tail)
    return printed[at + len(tail):].strip().partition("\n")[0] if at >= 0 else printed
