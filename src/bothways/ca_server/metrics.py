"""Figures of a service for Prometheus: what was asked for, what is at hand, and until when it holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from bothways.ca_server.worker import Worker

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """The figures of one service; each has a registry of its own, so that several live in one process."""

    def __init__(self, worker: Worker) -> None:
        self._registry = CollectorRegistry()
        self.ocsp = Counter(
            "bothways_ca_ocsp_responses",
            "OCSP responses by what they say, and whether they were signed ahead.",
            ["status", "signed"],
            registry=self._registry,
        )
        self.downloads = Counter(
            "bothways_ca_downloads",
            "Lists and certificates that were handed out.",
            ["kind"],
            registry=self._registry,
        )
        self._gauge("ocsp_answers_at_hand", "Answers that were signed ahead.", lambda: len(worker.ocsp_cache))
        self._gauge("failures", "How often what was due could not be done.", lambda: float(worker.failures))
        self._gauge(
            "ocsp_signer_end_timestamp_seconds",
            "Until when the OCSP signer's certificate is valid.",
            lambda: _seconds(worker.signer_not_after),
        )
        self._gauge(
            "list_end_timestamp_seconds",
            "Until when the list of all certificates holds.",
            lambda: _seconds(worker.crl_next_update),
        )

    def text(self) -> bytes:
        """All figures in Prometheus' text form."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, what: str, value: Callable[[], float]) -> None:
        Gauge(f"bothways_ca_{name}", what, registry=self._registry).set_function(value)


def _seconds(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()
