"""The rows about a server's chain: its verdict, whether it is complete, and further checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from bothways.counts import counted
from bothways.describe.documents import certificate_document, key_text, signature_text
from bothways.describe.escape import visible
from bothways.diagnosis.certificates import fault_of_ours
from bothways.doctor.report import Level, ReportRow
from bothways.faults import Reason, hint_of
from bothways.ladder.model import Card, Side
from bothways.roles import Role, StepId
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.path.chain_links import (
    NOT_TOLD,
    follows,
    is_altered,
    is_self_signed,
    key_difference,
    linked,
)
from bothways.trust.path.name_matching import names_of
from bothways.trust.verdict import Outcome, Trusted, Verdict

SOON_DAYS = 30
TEXT_LIMIT = 600
CHECKS = {"a": ("path", "chain and name"), "b": ("validity", "validity"), "c": ("revocation", "revocation")}
LEVELS: dict[Outcome, Level] = {
    Outcome.PASSED: "good",
    Outcome.FAILED: "problem",
    Outcome.NOT_CHECKED: "note",
    Outcome.UNKNOWN: "warning",
}
NAMES_SHOWN = 12
CARDS = 16
WEB_PROFILE = "the web profile: RFC 5280 and the rules for public web certificates"
SEND_THESE = "send the leaf and its intermediates, each once"


def certificate_rows(
    chain: Sequence[bytes], verdict: Verdict | None, anchors: TrustStore, now: datetime
) -> Iterator[ReportRow]:
    """Return the rows about a server's chain, in the order of its checks."""
    sent = readable(chain)
    if not sent:
        yield ReportRow(
            "certificate.sent", "problem" if chain else "unknown", "certificate", _no_chain_text(chain)
        )
        return
    leaf = sent[0]
    yield ReportRow(
        "certificate.subject",
        "note",
        "it is",
        f"{shown(leaf.subject_text)}, issued by {shown(leaf.issuer_text)}",
    )
    yield ReportRow("certificate.names", *_names(leaf))
    yield ReportRow(
        "certificate.key", "note", "its key", f"{key_text(leaf.key)}, signed with {signed_with(leaf)}"
    )
    if anchors.profile == "web":
        yield ReportRow("certificate.profile", "note", "verified by", WEB_PROFILE)
    if verdict is not None:
        yield from verdict_rows(verdict, "certificate", StepId.SERVER_VERDICT)
    yield from days_rows("certificate.days", sent, now)
    yield from chain_rows(sent, verdict, anchors)


def readable(chain: Sequence[bytes]) -> list[ParsedCertificate]:
    """Return the certificates of a chain that can be decoded."""
    found = []
    for der in chain:
        try:
            certificate = ParsedCertificate(der)
            certificate.load()
        except ValueError:
            continue
        found.append(certificate)
    return found


def cards(by: Side, chain: Sequence[bytes], now: datetime) -> Iterator[Card]:
    """Return every certificate of a chain as text."""
    for place, der in enumerate(chain[:CARDS]):
        document = certificate_document(der, now)
        if document.damaged:
            yield Card(by, place, f"{len(der)} bytes that are not a certificate", ())
        else:
            yield Card(by, place, document.title, document.facts)


def shown(text: str) -> str:
    """Return a name of a certificate, escaped for display."""
    return visible(text) or "(empty)"


def verdict_rows(verdict: Verdict, prefix: str, step: StepId) -> Iterator[ReportRow]:
    """Return the checks a, b and c of a verdict, and every reason for a refusal."""
    for finding in verdict.findings:
        id_, what = CHECKS[finding.letter]
        text = visible(finding.text, TEXT_LIMIT)
        if finding.outcome is not Outcome.FAILED:
            yield ReportRow(
                f"{prefix}.{id_}", LEVELS[finding.outcome], f"{step.part(finding.letter)} {what}", text
            )
    if not isinstance(verdict, Trusted):
        yield from reason_rows(verdict.reasons, prefix)


def reason_rows(reasons: Sequence[Reason], prefix: str) -> Iterator[ReportRow]:
    """Return the reasons for a refusal; of one fault in several certificates the ids are numbered."""
    for id_, reason in _numbered(reasons, prefix):
        text = visible(f"{reason} ({reason.rule})", TEXT_LIMIT)
        yield ReportRow(id_, "problem", "refused", text, visible(hint_of(reason.fault, reason.facts)))


def own_reason_rows(reasons: Sequence[Reason], prefix: str, now: datetime) -> Iterator[ReportRow]:
    """Return the reasons for which a client certificate of ours would be refused, in words about ourselves."""
    for id_, reason in _numbered(reasons, prefix):
        fault = fault_of_ours(reason, Role.CLIENT, now)
        text = visible(f"{fault.text} ({reason.rule})", TEXT_LIMIT)
        yield ReportRow(id_, "problem", "would be refused", text, visible(fault.remedy))


def _numbered(reasons: Sequence[Reason], prefix: str) -> Iterator[tuple[str, Reason]]:
    times = Counter[str]()
    for reason in reasons:
        name = reason.fault.name.lower()
        times[name] += 1
        yield (f"{prefix}.{name}" if times[name] == 1 else f"{prefix}.{name}.{times[name]}"), reason


def days_rows(id_: str, chain: Sequence[ParsedCertificate], now: datetime) -> Iterator[ReportRow]:
    """Return how long the certificate that expires first is still valid; the verdict covers expired ones."""
    first = min(chain, key=lambda each: each.not_after)
    days = (first.not_after - now).days
    whose = "" if first is chain[0] else f" ({shown(first.subject_text)}, above the leaf)"
    text = f"until {first.not_after:%Y-%m-%d %H:%M} UTC, {days} days{whose}"
    if 0 <= days < SOON_DAYS:
        yield ReportRow(
            id_, "warning", "time left", text, "renew it in time; inform in advance those who pin it"
        )
    elif days >= SOON_DAYS:
        yield ReportRow(id_, "good", "time left", text)


def chain_rows(
    sent: Sequence[ParsedCertificate], verdict: Verdict | None, anchors: TrustStore
) -> Iterator[ReportRow]:
    """Return whether the chain is complete, in order, and without other certificates (RFC 9846 4.5.1.3)."""
    in_order, rest = linked(sent)
    top = in_order[-1]
    known = any(follows(top, each) for each in anchors.issuers_of(top)) or anchors.own(top) is not None
    count = counted(len(sent), "certificate")
    if is_self_signed(top) and len(in_order) > 1:
        text = f"{count}, including the root, which those who trust it do not need"
        yield ReportRow(
            "certificate.chain",
            "note",
            "chain",
            text,
            "leave the root out: it makes every handshake larger",
        )
    elif known or isinstance(verdict, Trusted):
        yield ReportRow("certificate.chain", "good", "chain", f"{count}, complete up to a trust anchor")
    elif is_self_signed(top):
        yield ReportRow(
            "certificate.chain", "note", "chain", "it is self-signed: nothing is missing above it"
        )
    else:
        missing, remedy = _missing(top, rest, anchors)
        text = f"{count}; {shown(top.issuer_text)}, which issued {which(top, sent)}, {missing}"
        yield ReportRow("certificate.chain", "problem", "chain", text, remedy)
    if len({each.der for each in sent}) < len(sent):
        yield ReportRow(
            "certificate.repeated", "warning", "repeated", "a certificate occurs twice", SEND_THESE
        )
        return
    unrelated = [each for each in sent[1:] if each.der not in {one.der for one in in_order}]
    if unrelated:
        text = f"{len(unrelated)} that the chain does not need, such as {shown(unrelated[0].subject_text)}"
        yield ReportRow("certificate.surplus", "note", "surplus", text, SEND_THESE)
    elif [each.der for each in sent] != [each.der for each in in_order]:
        text = (
            "not in the order in which each certificate is followed by its issuer; some clients refuse that"
        )
        yield ReportRow(
            "certificate.order",
            "warning",
            "order",
            text,
            "send the leaf, then its issuer, then the issuer of that one",
        )


def which(certificate: ParsedCertificate, sent: Sequence[ParsedCertificate]) -> str:
    """Return which certificate of a chain it is, in words."""
    return "the leaf" if certificate is sent[0] else shown(certificate.subject_text)


def _missing(
    top: ParsedCertificate, rest: Sequence[ParsedCertificate], anchors: TrustStore
) -> tuple[str, str]:
    """Return what is there instead of the issuer of the last certificate that the chain leads to, and the remedy."""
    held = [*rest, *anchors.issuers_of(top)]
    if any(is_altered(top, each) for each in held):
        return (
            "has the key that it names, and its signature does not verify: it is damaged or was altered",
            COPY_AGAIN,
        )
    return _other_issuer(top, rest, anchors), SEND_ISSUERS


SEND_ISSUERS = "have the server send its intermediates, or trust its root: --ca FILE"
COPY_AGAIN = "have the server's certificate copied, or issued, again"


def _other_issuer(top: ParsedCertificate, rest: Sequence[ParsedCertificate], anchors: TrustStore) -> str:
    other = next((each for each in rest if each.is_named_issuer_of(top)), None)
    if other is not None:
        why = key_difference(top, other)
        return f"was sent for another key: {why}" if why else f"was sent, and {NOT_TOLD}"
    ours = next(iter(anchors.issuers_of(top)), None)
    if ours is not None:
        why = key_difference(top, ours)
        return f"is one of our trust anchors, {f'with another key: {why}' if why else f'and {NOT_TOLD}'}"
    return "was not sent and is not one of our trust anchors"


def signed_with(certificate: ParsedCertificate) -> str:
    """Return the signature algorithm of a certificate as text."""
    return signature_text(certificate)


def _no_chain_text(chain: Sequence[bytes]) -> str:
    return "what it sent cannot be decoded as certificates" if chain else "none was seen"


def _names(leaf: ParsedCertificate) -> tuple[Level, str, str, str]:
    names = names_of(leaf)
    listed = [*names.dns, *names.ip, *names.uri]
    more = f" and {len(listed) - NAMES_SHOWN} more" if len(listed) > NAMES_SHOWN else ""
    if listed:
        return "note", "its names", ", ".join(visible(each, 80) for each in listed[:NAMES_SHOWN]) + more, ""
    text = (
        "no subjectAltName; its common name "
        f"{shown(names.common_name or '')} is not compared with server names (RFC 9525)"
    )
    return "problem", "its names", text, "issue a new one with the host name as a subjectAltName"
