"""Figures in Prometheus' text form, read by its own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from bothways.ca.crl_schedule import CRL_LIFETIME
from bothways.ca.issuer import Issuer
from bothways.ca_server.metrics import Metrics
from bothways.ca_server.worker import Worker
from ca.issuers import NOW, client


def figures(metrics: Metrics) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name.removeprefix("bothways_ca_"), ",".join(sorted(sample.labels.values()))): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_metrics_count_requests_and_show_expiry_times(issuer: Issuer) -> None:
    client(issuer, "alice")
    worker = Worker(issuer, lambda _: None)
    metrics, other = Metrics(worker), Metrics(worker)
    metrics.ocsp.labels("good", "ahead").inc()
    metrics.downloads.labels("crl").inc(2)
    while worker.tick():
        pass
    found = figures(metrics)
    assert worker.signer_not_after is not None
    assert found == {
        ("ocsp_responses_total", "ahead,good"): 1,
        ("downloads_total", "crl"): 2,
        ("ocsp_answers_at_hand", ""): 2,
        ("failures", ""): 0,
        ("ocsp_signer_end_timestamp_seconds", ""): worker.signer_not_after.timestamp(),
        ("list_end_timestamp_seconds", ""): (NOW + CRL_LIFETIME).timestamp(),
    }
    assert ("downloads_total", "crl") not in figures(other)
