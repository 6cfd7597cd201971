"""The metrics of a gateway in the text format of Prometheus: of all its processes, summed.

Whichever worker is asked answers for all, since their numbers are in shared memory.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from bothways.gateway.files.held import Held
from bothways.gateway.observe import meter
from bothways.gateway.observe.board import GENERATION, SERVING, Board
from bothways.gateway.observe.evidence import evidence, expiring
from bothways.gateway.observe.snapshot import identities
from bothways.trust.own_identity.renewal import is_overdue

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
PREFIX = "bothways_gateway_"

Samples = dict[str, list[tuple[list[str], float]]]


def exposition(board: Board, held: Held) -> bytes:
    """Return all metrics. held: the files that are in use."""
    registry = CollectorRegistry()
    registry.register(_Collected(board, held))
    return generate_latest(registry)


class _Collected(Collector):
    """All that is known at one moment."""

    def __init__(self, board: Board, held: Held) -> None:
        self._board = board
        self._held = held

    def describe(self) -> Iterable[Metric]:
        """Return nothing: names are not compared with those of others, as there are none."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        counted, now = _by_metric(self._board.total()), _by_metric(self._board.state())
        for each in meter.Metric:
            yield _counters(each.name.lower(), each.value, counted)
        yield _histogram(counted)
        for state in meter.CurrentState:
            value = sum(value for _, value in now[state.name.lower()])
            yield GaugeMetricFamily(PREFIX + state.name.lower(), state.value.text, value)
        yield from self._identities()
        yield from self._processes()
        yield from _files(self._held)

    def _identities(self) -> Iterator[Metric]:
        named, others = identities(self._board)
        family = GaugeMetricFamily(
            f"{PREFIX}identity_connections",
            "Open connections by who their clients are: those identities that have most.",
            labels=["identity"],
        )
        for name, count in named.items():
            family.add_metric([name], count)
        yield family
        text = "Open connections of all other identities."
        yield GaugeMetricFamily(f"{PREFIX}other_identity_connections", text, others)

    def _processes(self) -> Iterator[Metric]:
        serving = sum(each.state.read().get(SERVING, 0.0) for each in self._board.workers)
        yield GaugeMetricFamily(f"{PREFIX}workers", "Worker processes.", len(self._board.workers))
        yield GaugeMetricFamily(f"{PREFIX}workers_serving", "Worker processes that serve clients.", serving)
        number = self._board.supervisor.state.read().get(GENERATION, 0.0)
        yield GaugeMetricFamily(f"{PREFIX}generation", "The number of the configuration in use.", number)
        text = "Changes of numbers that are not counted, since there were too many names."
        yield CounterMetricFamily(f"{PREFIX}not_counted", text, self._board.left_out)


def _by_metric(numbers: dict[str, float]) -> Samples:
    """Return the numbers of each metric, each with its labels."""
    found: Samples = defaultdict(list)
    for name, value in sorted(numbers.items()):
        words = json.loads(name) if name.startswith("[") else [name]
        found[words[0]].append((words[1:], value))
    return found


def _counters(name: str, row: meter.MetricRow, samples: Samples) -> Metric:
    family = CounterMetricFamily(PREFIX + name, row.text, labels=list(row.labels))
    found = samples[name]
    for labels, value in found or ([] if row.labels else [([], 0.0)]):
        family.add_metric(labels, value)
    return family


def _histogram(samples: Samples) -> Metric:
    """Return how long phases took. Counts of buckets are summed up here, so that they never disagree."""
    name, row = meter.SECONDS_NAME, meter.SECONDS
    family = HistogramMetricFamily(PREFIX + name, row.text, labels=list(row.labels))
    counts = {(phase, bound): value for (phase, bound), value in samples[f"{name}_bucket"]}
    sums = {phase: value for (phase,), value in samples[f"{name}_sum"]}
    for timing in meter.Timing:
        total, buckets = 0.0, []
        for bound in (*map(str, meter.BUCKETS), "+Inf"):
            total += counts.get((timing.value, bound), 0.0)
            buckets.append((bound, total))
        family.add_metric([timing.value], buckets, sums.get(timing.value, 0.0))
    return family


def _files(held: Held) -> Iterator[Metric]:
    yield from _certificates(held)
    yield from _evidence(held)


def _certificates(held: Held) -> Iterator[Metric]:
    ends = GaugeMetricFamily(
        f"{PREFIX}certificate_end_timestamp_seconds",
        "When our certificates and trust anchors expire.",
        labels=["file", "use", "subject"],
    )
    for (file, use, subject), at in _first(
        ((each.file, each.use, each.subject), each.end) for each in expiring(held)
    ):
        ends.add_metric([file, use, subject], at.timestamp())
    yield ends
    late = GaugeMetricFamily(
        f"{PREFIX}certificate_renewal_overdue",
        "1 for our certificates that should have been renewed by now, else 0.",
        labels=["file", "subject"],
    )
    now = datetime.now(UTC)
    own = {(each.file, each.subject): each for each in reversed(expiring(held)) if each.use == "own"}
    for (file, subject), certificate in own.items():
        late.add_metric([file, subject], float(is_overdue(certificate.begin, certificate.end, now)))
    yield late


def _evidence(held: Held) -> Iterator[Metric]:
    made = GaugeMetricFamily(
        f"{PREFIX}evidence_this_update_timestamp_seconds",
        "When CRLs and OCSP responses were made; of several of one kind in a file, the oldest.",
        labels=["file", "kind", "issuer"],
    )
    until = GaugeMetricFamily(
        f"{PREFIX}evidence_next_update_timestamp_seconds",
        "When CRLs and OCSP responses expire; of several of one kind in a file, the first.",
        labels=["file", "kind", "issuer"],
    )
    found = evidence(held)
    for labels, at in _first(((each.file, each.kind, each.issuer), each.made) for each in found):
        made.add_metric(list(labels), at.timestamp())
    bounded = [each for each in found if each.end is not None]
    for labels, at in _first(
        ((each.file, each.kind, each.issuer), each.end) for each in bounded if each.end is not None
    ):
        until.add_metric(list(labels), at.timestamp())
    yield from (made, until)


def _first(
    several: Iterable[tuple[tuple[str, str, str], datetime]],
) -> Iterable[tuple[tuple[str, str, str], datetime]]:
    """Return the first time of each, as labels must differ."""
    found: dict[tuple[str, str, str], datetime] = {}
    for labels, at in several:
        found[labels] = min(at, found.get(labels, at))
    return found.items()
