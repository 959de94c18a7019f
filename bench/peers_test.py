#!/usr/bin/env python3
"""Tests of the benchmark's own arithmetic and parsing, with programs that only pretend: bench/peers_test.py"""

import pathlib
import stat
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import bars
import engines
import measure
import model_file
import own
import plan
import report
from engines import Work


def sample(tok_s, **details):
    return measure.Sample(tok_s, 1.0, 2**20, 0.0, details)


def program(folder, name, script):
    path = pathlib.Path(folder) / name
    path.write_text("#!/bin/sh\n" + script, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class Measuring(unittest.TestCase):
    def test_ratio_pairs_rounds_and_skips_failed_runs(self):
        ours, theirs = [sample(20), None, sample(30)], [sample(10), sample(10), sample(10)]
        self.assertEqual(measure.ratio(ours, theirs), measure.Spread(2.0, 2.5, 3.0, 2))

    def test_ratio_of_nothing_is_none(self):
        self.assertIsNone(measure.ratio([None], [sample(1)]))

    def test_run_reports_the_last_words_of_a_failure(self):
        with self.assertRaisesRegex(measure.RunFailed, "sh ended with status 3: no such model"):
            measure.run(["sh", "-c", "echo no such model >&2; exit 3"])

    def test_run_measures_memory_of_the_child(self):
        finished = measure.run([sys.executable, "-c", "x = b'x' * (200 << 20)"])
        self.assertGreater(finished.peak_rss_bytes, 200 << 20)

    def test_run_stops_at_the_deadline(self):
        with self.assertRaisesRegex(measure.RunFailed, "in time"):
            measure.run(["sleep", "60"], timeout_seconds=0.1)

    def test_round_robin_turns_the_order(self):
        with tempfile.TemporaryDirectory() as folder:
            said = []
            peers = []
            for name, speed in (("a", 10), ("b", 20)):
                program(folder, "llama-bench", "")
                peer = engines.Peer(name, "1", folder)
                peer.bench = str(program(folder, f"bench-{name}", f'echo \'noise [{{"avg_ts": {speed}.5}}]\''))
                peers.append(peer)
            samples = measure.round_robin(peers, "m.gguf", 1, [Work(prompt=8)], 2, 0, said.append)
            self.assertEqual([s.tok_s for s in samples["b", Work(prompt=8)]], [20.5, 20.5])
            self.assertEqual([line.split(": ")[1][0] for line in said], ["a", "b", "b", "a"])


class CommandLines(unittest.TestCase):
    def test_ik_generates_after_a_prompt(self):
        self.assertIn("4096,32", engines.IkPeer("ik", "1", "/p").bench_command("m", 2, Work(generate=32, depth=4096)))

    def test_long_prefill_of_llama_is_cold(self):
        self.assertIn("--no-warmup", engines.Peer("llama.cpp", "1", "/p").bench_command("m", 2, Work(prompt=4096)))

    def test_pith_reads_a_long_prefill_from_its_depth(self):
        pith = engines.Pith("pith", "1", "native")
        self.assertEqual(pith.read('{"depth_read_s": 8.0}', Work(prompt=4096)).tok_s, 512)

    def test_isa_is_an_environment_variable(self):
        self.assertEqual(engines.Pith("pith", "1", "avx2").environment, {"PITH_ISA": "avx2"})

    def test_answer_stands_behind_the_prompt(self):
        self.assertEqual(engines.after_prompt("log\nThe capital of France is Paris.\nspeed", "The capital of France is"), "Paris.")


class Planning(unittest.TestCase):
    def test_short_range_leaves_out_the_deepest(self):
        works, skipped = plan.wanted({"context_length": 8192}, deepest=True)
        self.assertEqual((works, skipped), ([plan.LONG_PREFILL, plan.DEEP_DECODE], {plan.DEEPEST_DECODE: "the model reads 8192 tokens"}))

    def test_budget_keeps_the_first_and_names_the_rest(self):
        chosen, skipped = plan.fit([plan.LONG_PREFILL, plan.DEEPEST_DECODE], [(400, 50)], rounds=1, seconds_left=60)
        self.assertEqual(chosen, [plan.LONG_PREFILL])
        self.assertRegex(skipped[plan.DEEPEST_DECODE], "needs about 2 min, 1 min of the budget")


class Bars(unittest.TestCase):
    def result(self):
        facts = {"context_length": 32768, "cache_bytes_per_token": 12288, "weight_bytes": 491400064}
        pith, llama = engines.Pith("pith", "1", "native"), engines.Peer("llama.cpp", "1", "/p")
        machine = {"date": "today", "processor": "P", "levels": ["avx2"], "load_at_start": 0.0}
        result = report.Result("qwen2.5-coder-0.5b-instruct", facts, "native", 2, [pith, llama], {}, machine=machine)
        result.samples = {("pith", plan.SHORT_PREFILL): [sample(140)], ("llama.cpp", plan.SHORT_PREFILL): [sample(100)],
                          ("pith", plan.DEEP_DECODE): [sample(30)], ("llama.cpp", plan.DEEP_DECODE): [sample(20)]}
        return result

    def test_verdicts(self):
        verdicts = {bar.what: bar.verdict() for bar in bars.all_bars(self.result())}
        self.assertEqual(verdicts["prefill 512, pith / llama.cpp"], "ok")
        self.assertEqual(verdicts["decode at 4096, pith / llama.cpp"], "MISSED")
        self.assertEqual(verdicts["decode at 0, pith / llama.cpp"], "not measured")

    def test_reading_ratios(self):
        work = Work(prompt=own.RECIPE_TOKENS, recipe=own.REPLAY)
        samples = {("pith", own.PLAIN): [sample(1, depth_read_s=10.0)],
                   ("pith", work): [sample(1, depth_read_s=11.0, compress_s=1.0, replay_s=14.0)]}
        ratios = own.reading_ratios(samples)[own.REPLAY]
        self.assertEqual([ratios[key].median for key in ("read", "total", "replay")], [1.1, 1.2, 1.4])

    def test_page_keeps_what_is_written_by_hand(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "speed.md"
            page.write_text("# Speed\n\nWritten by hand.\n", encoding="utf-8")
            report.put_into_page(page, self.result())
            once = page.read_text(encoding="utf-8")
            report.put_into_page(page, self.result())
            self.assertEqual(page.read_text(encoding="utf-8"), once)
            self.assertIn("Written by hand.", once)
            self.assertIn("| **1.40** (1.40–1.40) |", once)


class ModelFile(unittest.TestCase):
    def test_facts(self):
        def string(text):
            return struct.pack("<Q", len(text)) + text.encode()
        def entry(key, value):
            return string(key) + struct.pack("<II", 4, value)
        pairs = [string("general.architecture") + struct.pack("<I", 8) + string("llama"),
                 string("words") + struct.pack("<IIQ", 9, 8, 2) + string("a") + string("bc")]
        pairs += [entry("llama." + key, value) for key, value in {"context_length": 8192, "attention.head_count": 4, "block_count": 3,
                                                                  "attention.head_count_kv": 2, "embedding_length": 64}.items()]
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs))
            file.flush()
            facts = model_file.read_facts(file.name)
        self.assertEqual((facts["context_length"], facts["cache_bytes_per_token"]), (8192, 2 * 3 * 2 * 32))


if __name__ == "__main__":
    unittest.main()
