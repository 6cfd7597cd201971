"""What a process of a gateway counts. Every label is of a bounded set: of this program, or of the configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from bothways.errors import PeerAlert, PeerFault
from bothways.gateway.log.endings import ALERT, LIMITS
from bothways.gateway.log.log import ConnectionEntry
from bothways.gateway.observe.board import Slot
from bothways.iana import Alert
from bothways.roles import Role

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LIMIT_CODES = frozenset(each.name for each in LIMITS)
KNOWN_ALERTS = frozenset(ALERT + each.name.upper() for each in Alert)
OTHER_ALERT = ALERT + "OTHER"


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric: what it is, and its labels."""

    text: str
    labels: tuple[str, ...] = ()


class Metric(Enum):
    """What is counted; the names of metrics are these in lower case, after `bothways_gateway_`."""

    CONNECTIONS_ENDED = MetricRow("Connections that have ended, by the code of the reason.", ("code",))
    HANDSHAKES = MetricRow(
        "Handshakes of clients that have ended, by outcome, and by the code of the reason.",
        ("outcome", "code"),
    )
    RESUMED_HANDSHAKES = MetricRow("Completed handshakes that resumed a session.")
    DECISIONS = MetricRow(
        "Decisions about verified clients, and servers of tunnels.", ("route", "rule", "verdict")
    )
    BYTES = MetricRow("Bytes inside TLS, from clients (in) and to clients (out).", ("route", "direction"))
    LIMITS_HIT = MetricRow("Connections that a limit ended.", ("limit",))
    REQUESTS = MetricRow("Requests of HTTP, by the class of the status.", ("route", "status"))
    WORKERS_ENDED = MetricRow("Workers that ended without being told to.")
    RELOADS = MetricRow(
        "Changes of the configuration or its files, and whether they were applied.", ("result",)
    )
    NEWS = MetricRow("Revocation news shared with other gateways, by what became of them.", ("result",))


class Timing(Enum):
    """What is timed."""

    HELLO = "hello"
    HANDSHAKE = "handshake"
    BACKEND = "backend"
    NEWS = "news"


class CurrentState(Enum):
    """What is true now, and summed over all processes."""

    CONNECTIONS = MetricRow("Open connections of accepted clients.")
    HANDSHAKES_OPEN = MetricRow("Connections whose clients are not verified yet.")
    NEWS_FOLLOWED = MetricRow("Processes that follow revocation news.")


SECONDS = MetricRow(
    "How long a phase took: until the ClientHello, the handshake, to reach the service, for news to get here.",
    ("phase",),
)
SECONDS_NAME = "phase_seconds"


class Meter:
    """Counts in the slot of a process."""

    def __init__(self, slot: Slot | None = None) -> None:
        self.slot = slot or Slot()

    def count(self, metric: Metric, *labels: str, amount: float = 1.0) -> None:
        """Add to a metric. labels: their values."""
        self.slot.counters.add(name_of(metric.name.lower(), *labels), amount)

    def state(self, state: CurrentState, value: float) -> None:
        """Say what is true now."""
        self.slot.state.set(name_of(state.name.lower()), value)

    def took(self, phase: Timing, seconds: float) -> None:
        """Count how long something took."""
        counters, seconds = self.slot.counters, max(seconds, 0.0)
        bound = next((each for each in BUCKETS if seconds <= each), None)
        counters.add(name_of(f"{SECONDS_NAME}_bucket", phase.value, "+Inf" if bound is None else str(bound)))
        counters.add(name_of(f"{SECONDS_NAME}_sum", phase.value), seconds)

    def moved(self, route: str, received: int, sent: int) -> None:
        """Count bytes of a client, or of a program in a tunnel."""
        self.count(Metric.BYTES, route, "in", amount=received)
        self.count(Metric.BYTES, route, "out", amount=sent)

    def established(self, entry: ConnectionEntry, seconds: float) -> None:
        """Count a client that was verified and let in, after so many seconds of handshake."""
        self.count(Metric.HANDSHAKES, "completed", "")
        if entry.resumed:
            self.count(Metric.RESUMED_HANDSHAKES)
        self.took(Timing.HANDSHAKE, seconds)

    def decided(self, entry: ConnectionEntry) -> None:
        """Count a decision about a verified client, or the server of a tunnel."""
        self.count(Metric.DECISIONS, entry.route or "", entry.rule or "", entry.verdict)

    def ended(self, entry: ConnectionEntry) -> None:
        """Count a connection that has ended."""
        code = counted_code(entry.code)
        self.count(Metric.CONNECTIONS_ENDED, code)
        if code in LIMIT_CODES:
            self.count(Metric.LIMITS_HIT, code)
        if not entry.is_known and entry.verified is Role.CLIENT:
            self.count(Metric.HANDSHAKES, _outcome(entry), code)
        if entry.verdict == "withdrawn" or (entry.verdict == "refused" and entry.peer is not None):
            self.decided(entry)


def counted_code(code: str) -> str:
    """Return a code as it is counted: an alert that has no name is one of the others, since a client chooses it."""
    return OTHER_ALERT if code.startswith(ALERT) and code not in KNOWN_ALERTS else code


@lru_cache(maxsize=4096)
def name_of(metric: str, *labels: str) -> str:
    """Return the name of a number."""
    return json.dumps([metric, *labels])


def _outcome(entry: ConnectionEntry) -> str:
    if isinstance(entry.failure, PeerFault):
        return "refused"
    return "refused by client" if isinstance(entry.failure, PeerAlert) else "not completed"
