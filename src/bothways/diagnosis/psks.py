"""External pre-shared keys that the two sides do not have in common: by our refusal, or by an alert of the peer."""

from __future__ import annotations

from collections.abc import Iterator

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.iana import Alert
from bothways.roles import Progress

# How servers refuse a key: by the alert for it, or by what they send for a wrong binder or for no shared parameter.
_ALERTS = (
    Alert.UNKNOWN_PSK_IDENTITY,
    Alert.DECRYPT_ERROR,
    Alert.ILLEGAL_PARAMETER,
    Alert.HANDSHAKE_FAILURE,
    Alert.BAD_RECORD_MAC,
)


def unknown(case: Case) -> Iterator[Likely]:
    """We know none of the client's keys, or it does not have the secret."""
    problem = case.refusal.facts.get("problem", "")
    yield case.likely(Cause.PSK_NOT_SHARED, Party.PEERS, Weight.LIKELY, case.refusal.sentence, detail=problem)


def not_chosen(case: Case) -> Iterator[Likely]:
    """The server authenticates itself by something else."""
    detail = "the server chose none of them"
    yield case.likely(Cause.PSK_NOT_SHARED, Party.OURS, Weight.LIKELY, case.refusal.sentence, detail=detail)


def refused(case: Case, alert: int) -> Iterator[Likely]:
    """The peer may have refused our key: before it chose one, or because it has removed it."""
    if not case.own_side.has_psks:
        return
    if case.is_client and case.progress is Progress.HELLO and alert in _ALERTS:
        evidence = "we offered a pre-shared key, and it answered with an alert"
        detail = "it does not have the one that we offered"
        yield case.likely(Cause.PSK_NOT_SHARED, Party.OURS, Weight.LIKELY, evidence, detail=detail)
    elif case.observed.by_psk and alert == Alert.ACCESS_DENIED:
        evidence = "we authenticated by a pre-shared key"
        detail = "it was removed there, or is not allowed to connect"
        yield case.likely(Cause.PSK_NOT_SHARED, Party.OURS, Weight.LIKELY, evidence, detail=detail)
