"""The codes of why connections end: stable, and all of them in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways import Alert, ConfigError, Fault, PeerAlert, PeerFault, Truncated
from bothways.aio.admission import Evicted
from bothways.errors import InternalError
from bothways.faults import Reason
from bothways.gateway.log.endings import LIMITS, Code, ending_of, is_verdict

DOCS = Path(__file__).parents[3] / "docs" / "running-a-gateway.md"


@pytest.mark.parametrize(
    ("error", "verified", "left"),
    [
        (PeerFault(Fault.REVOKED, step=None, peer="client"), "REVOKED", None),
        (PeerAlert(Alert.UNKNOWN_CA, step=None, peer="client"), "ALERT_UNKNOWN_CA", None),
        (PeerAlert(77, step=None, peer="client"), "ALERT_77", None),
        (Truncated("client"), "CLIENT_TRUNCATED", "CLIENT_LEFT"),
        (ConnectionResetError(104, "reset"), "CLIENT_LOST", "CLIENT_LEFT"),
        (Evicted("another one"), "HANDSHAKES_LIMIT", None),
        (InternalError(), "DEFECT", None),
        (ConfigError("x"), "DEFECT", None),
    ],
)
def test_an_error_has_a_code_before_and_after_the_verdict(
    error: Exception, verified: str, left: str | None
) -> None:
    assert ending_of(error, is_verified=True).code == verified
    assert ending_of(error, is_verified=False).code == (left or verified)
    assert "\n" not in ending_of(error, is_verified=True).text


def test_every_reason_is_told_in_one_line() -> None:
    """A certificate that is revoked, and not for clients: to renew it alone is in vain."""
    reasons = (
        Reason(Fault.REVOKED, 0, "CN=a", {"revoked_at": "2026-01-03", "reason": "unspecified"}),
        Reason(Fault.NOT_A_CA, 1, "CN=b", {"issuer": "CN=c"}),
    )
    error = PeerFault(Fault.REVOKED, step=None, peer="client", facts=reasons[0].facts, reasons=reasons)
    text = ending_of(error, is_verified=False).text
    assert text.startswith("the client sent a certificate that was revoked") and "\n" not in text
    assert "Also: certificate 1 (CN=b)" in text and "Hint" not in text


def test_a_verdict_is_told_from_a_breach_of_the_protocol() -> None:
    faults = {True: (Fault.ACCESS_REFUSED, Fault.CERTIFICATE_EXPIRED), False: (Fault.BAD_RECORD,)}
    for expected, several in faults.items():
        for fault in several:
            assert is_verdict(PeerFault(fault, step=None, peer="client")) is expected
    assert not is_verdict(None) and not is_verdict(Truncated("client"))


def test_every_code_is_documented_and_no_code_is_the_name_of_a_fault() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [each.name for each in Code if f"| `{each.name}` | {each.value} |" not in text] == []
    assert {each.name for each in Code}.isdisjoint(each.name for each in Fault)
    assert set(Code) > LIMITS
