"""External pre-shared keys that the two sides do not have in common: by our refusal, or by an alert of the peer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.iana import Alert
from bothways.roles import Progress
from bothways.tls.keys.psk_importer import DIRECT, IMPORTED, OTHER_CONTEXT, OTHER_HASH

# How servers refuse a key: by the alert for it, or by what they send for a wrong binder or for no shared parameter.
_ALERTS = (
    Alert.UNKNOWN_PSK_IDENTITY,
    Alert.DECRYPT_ERROR,
    Alert.ILLEGAL_PARAMETER,
    Alert.HANDSHAKE_FAILURE,
    Alert.BAD_RECORD_MAC,
)
# What helps where the key is known, and used otherwise than here.
SHARING: Mapping[str, str] = {
    DIRECT: "have the client import the key (RFC 9258), or use it directly here too (insecure_without_importer), as "
    "OpenSSL and GnuTLS need it, which cannot import",
    IMPORTED: "import the key here too (without insecure_without_importer), or have the client use it directly",
    OTHER_CONTEXT: "give each side the name of the other as its peer, or both the same context",
    OTHER_HASH: "give both sides the same hash, and a cipher suite with it",
}


def unknown(case: Case) -> Iterator[Likely]:
    """We know none of the client's keys, or it does not have the secret."""
    problem = str(case.refusal.facts.get("problem", ""))
    known = next((what for what in SHARING if problem.endswith(what)), None)
    facts = {"detail": problem} | ({} if known is None else {"sharing": SHARING[known]})
    yield case.likely(Cause.PSK_NOT_SHARED, Party.PEERS, Weight.LIKELY, case.refusal.sentence, **facts)


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
