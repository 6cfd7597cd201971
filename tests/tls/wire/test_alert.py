"""RFC 9846 6: an alert is two bytes."""

from __future__ import annotations

import pytest
from hypothesis import given

import wire_values
from bothways.faults import Fault
from bothways.tls.wire.alert import ALERT, AlertMessage, decode_alert
from bothways.tls.wire.codec import encode
from faults import blames


@wire_values.SAMPLE
@given(wire_values.values(ALERT))
def test_alert_reads_what_it_writes(alert: AlertMessage) -> None:
    assert decode_alert(encode(ALERT, alert)) == alert


def test_alert_has_the_form_of_the_rfc() -> None:
    assert encode(ALERT, AlertMessage(2, 40)) == b"\x02\x28"
    assert decode_alert(b"\x01\x00") == AlertMessage(1, 0)


@pytest.mark.parametrize(
    ("content", "place"), [(b"", "Alert.level"), (b"\x02", "Alert.description"), (b"\x02\x28\x00", "Alert")]
)
def test_record_that_is_not_one_alert_is_refused(content: bytes, place: str) -> None:
    """RFC 9846 5.1: one alert in one record."""
    with blames(Fault.UNDECODABLE, place=place):
        decode_alert(content)
