"""When files expire, and how old evidence is."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bothways.gateway.observe.board import Board
from bothways.gateway.observe.exposition import exposition
from gateway_talk import Setting

pytestmark = pytest.mark.network

DOCS = Path(__file__).parents[3] / "docs" / "running-a-gateway.md"
RULE = '[[route.allow]]\ndns = "client.example"\n[[route.deny]]\ndns = "denied.example"'


def test_expiries_and_the_age_of_evidence_are_times(setting: Setting) -> None:
    setting.write('backend = "127.0.0.1:1"\nallow = "any verified client"')
    families = text_string_to_metric_families(exposition(Board(), setting.load().held).decode())
    seen = {each.name: each.samples for each in families}
    ends = {
        each.labels["use"]: each.value for each in seen["bothways_gateway_certificate_end_timestamp_seconds"]
    }
    assert set(ends) == {"own", "anchor"} and min(ends.values()) > time.time()
    late = seen["bothways_gateway_certificate_renewal_overdue"]
    assert [each.value for each in late] == [0.0]
    made = seen["bothways_gateway_evidence_this_update_timestamp_seconds"]
    end = seen["bothways_gateway_evidence_next_update_timestamp_seconds"]
    assert {each.labels["kind"] for each in made} == {"crl"}
    assert [each.labels for each in made] == [each.labels for each in end]
    assert max(each.value for each in made) <= time.time() < min(each.value for each in end)


def test_a_certificate_that_was_not_renewed_in_time_is_a_metric(setting: Setting) -> None:
    setting.write('backend = "127.0.0.1:1"\nallow = "any verified client"')
    good, soon = (
        setting.mutual.identity("server"),
        setting.mutual.identity("server", lifetime=timedelta(minutes=5)),
    )
    text = setting.path.read_text().replace(good.cert.name, soon.cert.name)
    setting.path.write_text(text.replace(good.key.name, soon.key.name))
    families = text_string_to_metric_families(exposition(Board(), setting.load().held).decode())
    [late] = [each for each in families if each.name == "bothways_gateway_certificate_renewal_overdue"]
    assert [(each.labels["file"], each.value) for each in late.samples] == [(str(soon.cert), 1.0)]
