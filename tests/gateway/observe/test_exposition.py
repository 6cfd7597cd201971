"""The metrics of a gateway, as Prometheus reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bothways.gateway.files.held import Held
from bothways.gateway.observe import meter
from bothways.gateway.observe.board import Board
from bothways.gateway.observe.exposition import exposition
from gateway_talk import ANYBODY, Setting

pytestmark = pytest.mark.network

DOCS = Path(__file__).parents[3] / "docs" / "running-a-gateway.md"
RULE = '[[route.allow]]\ndns = "client.example"\n[[route.deny]]\ndns = "denied.example"'


def test_labels_are_escaped_and_buckets_rise(setting: Setting) -> None:
    """The names of rules and routes are of the file, and may have quotes; a phase longer than all bounds is in +Inf."""
    board = Board(2)
    nasty = 'a "rule"\n\\ of \u202e two'
    for number in (1, 2):
        counting = meter.Meter(board.worker(number))
        counting.count(meter.Metric.DECISIONS, nasty, "", "allowed", amount=number)
        for seconds in (0.0, 0.004, 3.0, 1000.0, -1.0):
            counting.took(meter.Timing.HANDSHAKE, seconds)
    text = exposition(board, Held()).decode()
    found = {each.name: each for each in text_string_to_metric_families(text)}
    [decision] = found["bothways_gateway_decisions"].samples
    assert (decision.labels["route"], decision.value) == (nasty, 3)
    buckets = [
        each.value
        for each in found["bothways_gateway_phase_seconds"].samples
        if each.name.endswith("_bucket") and each.labels["phase"] == "handshake"
    ]
    assert buckets == sorted(buckets) and (buckets[0], buckets[-2], buckets[-1]) == (4, 8, 10)


def test_every_metric_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    families = text_string_to_metric_families(exposition(Board(), Held()).decode())
    names = [each.name.removeprefix("bothways_gateway_") for each in families]
    assert len(names) > 15
    assert [each for each in names if f"| `{each}` |" not in text and f"| `{each}_total` |" not in text] == []


def test_the_file_is_checked_with_its_metrics_and_what_is_missing_is_named(setting: Setting) -> None:
    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}', metrics={"host": "localhost", "port": 0})
    hide = "import sys; sys.modules['prometheus_client'] = None\n"
    hide += "from importlib import util; found = util.find_spec\n"
    hide += (
        "util.find_spec = lambda name, *rest: None if name == 'prometheus_client' else found(name, *rest)\n"
    )
    run = "from bothways.cli.__main__ import main\n"
    run += "sys.argv = ['bothways', 'gateway', 'check', '-c', 'gateway.toml']; main()"
    for before, status, said in (
        ("import sys\n", 0, "can be used"),
        (hide, 2, "[metrics] needs prometheus_client"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", before + run],
            cwd=setting.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done
