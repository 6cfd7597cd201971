"""A report of one side of a connection: as lines for people, as plain values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bothways.describe.escape import visible
from bothways.describe.names import every_name_of
from bothways.describe.recorder import Noted
from bothways.diagnosis import Explanation, facts_of
from bothways.errors import PeerAlert, PeerFault, StartTLSFailed, TLSError, Truncated
from bothways.roles import StepId
from bothways.tls.events import Caution, Judged, MessageSeen, Peer, Proved
from bothways.tls.handshake.certificate_types import RAW
from bothways.tls.wire.extensions import ClientCertificateType, find
from bothways.tls.wire.tls13 import EncryptedExtensions
from bothways.trust.certificate.parsed import subject_of
from bothways.trust.verdict import Names

Check = dict[str, str]


class Reported(Protocol):
    """The attributes of a connection that a report needs, over any transport."""

    @property
    def peer(self) -> Peer | None:
        """The authenticated peer, or None."""
        ...

    @property
    def version(self) -> str | None:
        """The version of TLS."""
        ...

    @property
    def suite(self) -> str | None:
        """The cipher suite."""
        ...

    @property
    def group(self) -> str | None:
        """The group."""
        ...

    @property
    def alpn(self) -> str | None:
        """The application protocol."""
        ...

    @property
    def resumed(self) -> bool:
        """Whether a session was resumed."""
        ...

    @property
    def warnings(self) -> Sequence[Caution]:
        """Warnings for the user."""
        ...


def checks(notes: Sequence[Noted]) -> list[Check]:
    """Return every check that this side made or did not make, in the order of the ids."""
    found: list[Check] = []
    for each in notes:
        match each.note:
            case Proved(step, text):
                found.append(_row(step, "passed", text))
            case Judged(step, verdict):
                for finding in verdict.findings:
                    id_, text = step.part(finding.letter), visible(finding.text, 600)
                    found.append(_row(id_, finding.outcome.value, text))
    return sorted(found, key=lambda check: check["id"])


def own_authentication(notes: Sequence[Noted], *, resumed: bool = False) -> Check:
    """Return how a client answered the server's request for a certificate (step 3.1).

    resumed: whether a session was resumed, where no certificate is requested again.
    """
    requested = any(_is(each, "CertificateRequest") and not each.note.sent for each in notes)  # type: ignore[union-attr]
    sent = [each.note.content for each in notes if _is(each, "Certificate") and each.note.sent]  # type: ignore[union-attr]
    if not requested and resumed:
        text = "a session was resumed: certificates and signatures are those of its first handshake"
        return _row(StepId.CLIENT_CERTIFICATE, "not asked", text)
    if not requested:
        return _row(StepId.CLIENT_CERTIFICATE, "not asked", "the server requested no certificate")
    if not sent or not sent[0].certificate_list:  # type: ignore[union-attr]
        text = "the server requested a certificate and we sent none"
        return _row(StepId.CLIENT_CERTIFICATE, "none sent", text)
    what = "raw public key" if _shows_raw_key(notes) else "certificate"
    return _row(StepId.CLIENT_CERTIFICATE, "sent", f"our {what} was sent, with proof of its private key")


def _shows_raw_key(notes: Sequence[Noted]) -> bool:
    """Whether a client authenticates itself by a raw public key (RFC 7250 4.2)."""
    for each in notes:
        if isinstance(each.note, MessageSeen) and isinstance(each.note.content, EncryptedExtensions):
            chosen = find(each.note.content.extensions, ClientCertificateType)
            return chosen is not None and chosen.type == RAW
    return False


def _row(step: StepId, outcome: str, text: str) -> Check:
    return {"id": step, "outcome": outcome, "text": text}


def report_lines(address: str, connection: Reported, notes: Sequence[Noted]) -> list[str]:
    """Report an established connection of a client in lines for a terminal."""
    lines = [f"connected to {address}: TLS {connection.version}, {connection.suite}, {connection.group}"]
    if connection.alpn is not None:
        lines.append(f"application protocol: {visible(connection.alpn)}")
    lines.append(f"the peer is {every_name_of(connection.peer)}")
    own = own_authentication(notes, resumed=connection.resumed)
    rows = [*checks(notes), own]
    if own["outcome"] == "sent":
        rows.append(_server_verdict(connection.version))
    rows.sort(key=lambda check: check["id"])
    width = max(len(check["outcome"]) for check in rows)
    lines += [f"  {check['id']:<4}  {check['outcome']:<{width}}  {check['text']}" for check in rows]
    lines += [f"warning: {warning}" for warning in connection.warnings]
    return lines


def _server_verdict(version: str | None) -> Check:
    """Return what a client knows of step 3.3: in TLS 1.2 the server's Finished comes after its verification."""
    if version == "1.2":
        text = "the server's Finished followed our certificate; the service may still apply its own rules"
        return _row(StepId.CLIENT_VERDICT, "not refused", text)
    return _row(
        StepId.CLIENT_VERDICT, "not known yet", "in TLS 1.3 the first data of the server will show it"
    )


def report_facts(connection: Reported, notes: Sequence[Noted]) -> dict[str, object]:
    """Return the report as values for JSON."""
    return {
        "version": connection.version,
        "suite": connection.suite,
        "group": connection.group,
        "alpn": connection.alpn,
        "resumed": connection.resumed,
        "peer": peer_facts(connection.peer),
        "checks": checks(notes),
        "own_certificate": own_authentication(notes)["outcome"],
        "warnings": [str(warning) for warning in connection.warnings],
    }


def peer_facts(peer: Peer | None) -> dict[str, object] | None:
    """Return what an authenticated peer is, and its names, as values that JSON can hold."""
    if peer is None:
        return None
    raw_key = None
    if peer.raw_key is not None:
        raw_key = {"sha256": peer.raw_key.fingerprint, "pin": visible(peer.pin_name)}
    psk = None
    if peer.psk_identity is not None:
        identity = peer.psk_identity.decode("utf-8", "backslashreplace")
        psk = {"identity": visible(identity), "peer": visible(peer.psk_name)}
    return {
        "kind": peer.kind,
        **names_facts(peer.names),
        "path": [visible(subject_of(each)) for each in peer.path],
        "raw_public_key": raw_key,
        "pre_shared_key": psk,
        "valid_until": peer.verdict.valid_until.isoformat() if peer.kind == "certificate" else None,
    }


def names_facts(names: Names) -> dict[str, object]:
    """Return every name of a certificate's holder by kind."""
    return {
        "subject": names.subject,
        "common_name": names.common_name,
        "dns": list(names.dns),
        "ip": list(names.ip),
        "uri": list(names.uri),
        "email": list(names.email),
    }


def error_facts(error: Exception, why: Explanation | None = None) -> dict[str, object]:
    """Return a failure as values for JSON; `text` is for people. why: its explanation."""
    facts: dict[str, object] = {"kind": type(error).__name__, "text": str(error)}
    match error:
        case PeerFault():
            facts |= {
                "fault": error.fault.name,
                "by": error.peer,
                "step": error.step,
                "state": error.state,
                "rule": error.rule,
                "alert": error.alert.name.lower(),
                "sentence": error.sentence,
                "hint": error.hint,
                "reasons": [str(reason) for reason in error.reasons],
            }
        case PeerAlert():
            facts |= {
                "by": error.peer,
                "step": error.step,
                "state": error.state,
                "alert": error.name,
                "meaning": error.meaning,
                "hint": error.hint,
            }
        case StartTLSFailed():
            facts |= {
                "by": error.peer,
                "problem": error.problem.name,
                "protocol": error.protocol,
                "sentence": error.sentence,
                "said": error.said,
            }
        case Truncated():
            facts |= {"by": error.peer, "step": error.step}
        case TLSError():
            pass
        case OSError():
            facts |= {"errno": error.errno}
    return facts if why is None else facts | {"explanation": facts_of(why)}


def _is(noted: Noted, message: str) -> bool:
    return isinstance(noted.note, MessageSeen) and type(noted.note.content).__name__ == message
