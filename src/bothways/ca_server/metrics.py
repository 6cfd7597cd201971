"""The metrics of a service for Prometheus: requests, OCSP responses signed ahead, expiry times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from bothways.ca_server.worker import Worker

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """The metrics of one service, in a registry of its own, so that a process may have several."""

    def __init__(self, worker: Worker) -> None:
        self._registry = CollectorRegistry()
        self.ocsp = Counter(
            "bothways_ca_ocsp_responses",
            "OCSP responses by status, and whether they were signed ahead.",
            ["status", "signed"],
            registry=self._registry,
        )
        self.downloads = Counter(
            "bothways_ca_downloads",
            "CRLs and certificates that were served.",
            ["kind"],
            registry=self._registry,
        )
        self._gauge(
            "ocsp_answers_at_hand", "OCSP responses that were signed ahead.", lambda: len(worker.ocsp_cache)
        )
        self._gauge(
            "failures",
            "Failures of periodic work: signing OCSP responses and CRLs.",
            lambda: float(worker.failures),
        )
        self._gauge(
            "ocsp_signer_end_timestamp_seconds",
            "When the OCSP responder's certificate expires.",
            lambda: _seconds(worker.signer_not_after),
        )
        self._gauge(
            "list_end_timestamp_seconds",
            "When the CRL of all certificates expires.",
            lambda: _seconds(worker.crl_next_update),
        )

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        Gauge(f"bothways_ca_{name}", documentation, registry=self._registry).set_function(value)


def _seconds(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()
