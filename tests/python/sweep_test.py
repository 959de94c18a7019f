"""python -m pithkv.sweep: the same run on Ray, with a worker killed in the middle."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from conftest import BUILD, PACKAGE

TIMES = ("prefill_s", "replay_s", "compress_s", "decode_s")
SETTINGS = "suite: [needles, kv]\ntokens: 500\ncontexts: 4\nkv: [knorm @ 2x, random @ 2x]\n"


@pytest.fixture
def config(tmp_path, tiny):
    path = tmp_path / "run.yaml"
    path.write_text(f"model: {json.dumps(tiny)}\n{SETTINGS}")
    return path


def command(*arguments):
    return [sys.executable, "-m", "pithkv.sweep", *map(str, arguments)]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PACKAGE)}


def answers(out):
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    return sorted(json.dumps({k: v for k, v in line.items() if k not in TIMES}, sort_keys=True) for line in lines)


def metrics(out):
    return [{k: v for k, v in arm.items() if k not in TIMES} for arm in json.loads((out / "metrics.json").read_text())["arms"]]


def test_a_killed_worker_costs_its_items_in_flight_only(pithkv, tmp_path, config):
    pytest.importorskip("ray", reason="Ray is not installed: make test-sweep installs it")
    sweep = subprocess.Popen(command(config, "--out", tmp_path / "ray", "--workers", 2), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    killed, log = None, []
    for line in sweep.stderr:
        log.append(line)
        worker = re.search(r"item \d+: \d+ answers by process (\d+)", line)
        if worker and killed is None:
            killed = int(worker[1])
            os.kill(killed, signal.SIGKILL)
    assert sweep.wait() == 0, "".join(log)
    assert killed is not None

    single = subprocess.run([BUILD / "pith", "eval", config, "--out", tmp_path / "single"], capture_output=True, text=True)
    assert single.returncode == 0, single.stderr
    assert answers(tmp_path / "ray") == answers(tmp_path / "single")
    assert metrics(tmp_path / "ray") == metrics(tmp_path / "single")

    again = subprocess.run(command(config, "--out", tmp_path / "ray"), env=ENVIRONMENT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert set(re.findall(r": (\d+) answers", again.stderr)) == {"0"}


def test_bad_settings_end_before_ray_starts(pithkv, tmp_path, tiny):
    (tmp_path / "run.yaml").write_text(f"model: {json.dumps(tiny)}\nsute: kv\n")
    result = subprocess.run(command(tmp_path / "run.yaml", "--out", tmp_path / "out"), env=ENVIRONMENT, capture_output=True, text=True)
    assert result.returncode == 1
    assert "did you mean suite?" in result.stderr and "Traceback" not in result.stderr
