"""What callers catch, and what it says to people and to programs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

import bothways.ca.errors
import bothways.ssl  # noqa: F401
from bothways.errors import (
    LOG_LIMIT,
    ConfigError,
    InternalError,
    PeerAlert,
    PeerFault,
    Portable,
    StartTLSFailed,
    StartTLSProblem,
    TimedOut,
    TLSError,
    Truncated,
    UsageError,
    logged,
    without_frames,
)
from bothways.faults import Fault, Reason
from bothways.iana import Alert
from bothways.roles import StepId, Version

EXPIRED = datetime(2026, 1, 3, tzinfo=UTC)


def test_everything_that_is_raised_on_purpose_is_a_tls_error() -> None:
    for kind in (PeerFault, PeerAlert, Truncated, UsageError, ConfigError, InternalError):
        assert issubclass(kind, TLSError)


def test_a_peers_fault_says_who_did_what_where_by_which_rule_and_what_to_do() -> None:
    error = PeerFault(
        Fault.CERTIFICATE_EXPIRED, step=StepId("2.3b"), peer="server", facts={"not_after": EXPIRED}
    )
    reported = str(error)
    assert reported.startswith("the server sent a certificate that expired on 2026-01-03")
    assert "(step 2.3b; RFC 5280 6.1.3; alert certificate_expired)." in reported
    assert "\nHint: " in reported
    assert error.alert is Alert.CERTIFICATE_EXPIRED
    assert error.facts["not_after"] is EXPIRED


def test_a_peers_fault_tells_every_reason_and_each_once() -> None:
    reasons = (
        Reason(Fault.CERTIFICATE_EXPIRED, 0, "CN=a", {"not_after": EXPIRED}),
        Reason(Fault.CERTIFICATE_EXPIRED, 1, "CN=b", {"not_after": EXPIRED}),
    )
    error = PeerFault(
        Fault.CERTIFICATE_EXPIRED, step=StepId("2.3b"), peer="server", facts=reasons[0].facts, reasons=reasons
    )
    assert error.reasons == reasons
    assert str(error).count("Also: certificate 1 (CN=b)") == 1
    assert "Also: certificate 0" not in str(error)


def test_a_row_with_another_alert_in_tls_1_2_gives_it_there() -> None:
    fault = next(fault for fault in Fault if fault.value.tls12 is not None)
    new, old = (
        PeerFault(fault, step=None, peer="client", version=version)
        for version in (Version.TLS13, Version.TLS12)
    )
    assert (new.alert, new.rule) == (fault.value.alert, fault.value.rule)
    assert (old.alert, old.rule) == fault.value.tls12


def test_facts_cannot_be_changed() -> None:
    error = PeerFault(Fault.NOT_TLS, step=StepId("1.1"), peer="client", facts={"start": b"GET"})
    with pytest.raises(TypeError):
        error.facts["start"] = b""  # type: ignore[index]


def test_an_alert_says_its_name_what_it_means_and_what_to_do() -> None:
    error = PeerAlert(
        Alert.UNKNOWN_CA, step=StepId("3.3a"), peer="server", meaning="it does not know our CA", hint="ask"
    )
    assert error.name == "unknown_ca"
    assert str(error) == (
        "the server refused the connection at step 3.3a with alert unknown_ca.\n"
        "That means: it does not know our CA.\nHint: ask."
    )
    assert PeerAlert(250, step=None, peer="client").name == "250"


def test_a_truncation_says_that_data_may_be_missing() -> None:
    assert "without close_notify" in str(Truncated("server"))
    assert "at step 2.1" in str(Truncated("client", step=StepId("2.1")))
    lost = Truncated("client", step=StepId("2.1"))
    for lost.loss, how in (ConnectionResetError(), "reset"), (TimeoutError(), "lost"):
        assert f"the connection to the client was {how} at step 2.1, without close_notify" in str(lost)


def test_an_error_of_ours_has_a_sentence() -> None:
    assert str(ConfigError("no key")) == "no key"
    assert str(InternalError())


def test_an_error_that_is_kept_keeps_no_frames():
    try:
        try:
            raise KeyError
        except KeyError:
            raise OSError from None
    except OSError as error:
        kept = without_frames(error)
    assert isinstance(kept, OSError)
    assert (kept.__traceback__, kept.__context__) == (None, None)


def test_an_error_takes_a_bounded_part_of_a_log() -> None:
    """Whatever a peer sent."""
    assert logged(UsageError("short")) == "short"
    long = logged(UsageError("x" * 1_000_000))
    assert (len(long), long[-4:]) == (LOG_LIMIT, "x...")


# -- in another process ------------------------------------------------------------------------------------

FACTS = {"not_after": EXPIRED, "got": (ip_address("127.0.0.1"), b"\x30"), "names": frozenset(["a"])}
WITH_VALUES: list[Portable] = [
    PeerFault(
        Fault.CERTIFICATE_EXPIRED,
        step=StepId("2.3b"),
        peer="server",
        facts=FACTS,
        reasons=(
            Reason(Fault.CERTIFICATE_EXPIRED, 0, "CN=a", FACTS),
            Reason(Fault.NAME_MISMATCH, 0, "CN=a", FACTS),
        ),
        left_out=3,
        version=Version.TLS12,
    ),
    PeerAlert(48, step=StepId("3.3a"), peer="client", meaning="it finds no path", hint="ask"),
    Truncated("client", step=StepId("2.1"), in_record=True),
    StartTLSFailed(StartTLSProblem.MALFORMED, "SMTP", said="no", start=b"\x30", detail="0x30"),
    TimedOut("after 3 seconds", received=5),
]
COPIES: dict[str, Callable[[Portable], Portable]] = {
    "copied": copy.copy,
    "copied in depth": copy.deepcopy,
    "pickled": lambda error: pickle.loads(pickle.dumps(error)),
}


def kinds(of: type[Portable] = Portable) -> Iterator[type[Portable]]:
    for each in of.__subclasses__():
        yield each
        yield from kinds(each)


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("error", WITH_VALUES, ids=lambda error: type(error).__name__)
def test_an_error_has_its_text_and_values_in_another_process(error: Portable, how: str) -> None:
    """What was observed of the connection stays where it was: it has certificates and configurations."""
    error.situation = object()
    error.add_note("seen by a test")
    again = COPIES[how](error)
    assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
    assert again.situation is None
    assert vars(again).keys() == vars(error).keys() - {"situation"}
    same = {
        name: value for name, value in vars(error).items() if name not in ("situation", "facts", "reasons")
    }
    assert vars(again).items() >= same.items()
    if isinstance(error, PeerFault) and isinstance(again, PeerFault):
        assert again.facts["not_after"] == EXPIRED
        assert list(map(str, again.reasons)) == list(map(str, error.reasons))
        with pytest.raises(TypeError):
            again.facts["not_after"] = None  # type: ignore[index]


@pytest.mark.parametrize("kind", sorted(set(kinds()), key=lambda kind: kind.__qualname__))
def test_every_error_can_be_pickled(kind: type[Portable]) -> None:
    error = kind.__new__(kind)
    error.args = ("a text",)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args) == (kind, ("a text",))
