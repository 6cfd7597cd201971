"""Whether a server would accept our certificate, by the certificate, our key, and the server's requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bothways.counts import counted
from bothways.describe.documents import key_text
from bothways.describe.names import every_name
from bothways.doctor.chain import days_rows, own_reason_rows, shown, signed_with
from bothways.doctor.report import Level, ReportRow
from bothways.faults import Fault
from bothways.iana import ClientCertificateType, SignatureScheme
from bothways.iana import names as all_spelled
from bothways.roles import Version
from bothways.tls.crypto.signing import schemes_for
from bothways.tls.handshake.negotiation12 import is_rsa
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.path.chain_links import is_self_signed, linked
from bothways.trust.verdict import Purpose, Refused
from bothways.trust.verification import verify

STRONG_RSA_BITS = 3072
LISTED = 4


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A server's request for our certificate: names of CAs (DER; none for any), schemes, types (TLS 1.2)."""

    authorities: tuple[bytes, ...]
    schemes: tuple[int, ...]
    types: tuple[int, ...] | None
    version: Version


def identity_rows(
    credentials: Credentials,
    anchors: TrustStore | None,
    requested: Sequence[RequestFacts],
    now: datetime,
) -> Iterator[ReportRow]:
    """Return what is right and wrong with our certificate.

    credentials: ours.  anchors: those of --ca, which may have issued it.  wanted: the server's request, in each
    version in which there was one.  now: the time.
    """
    chain = [ParsedCertificate(der) for der in credentials.chain]
    leaf = chain[0]
    yield ReportRow(
        "identity.subject", "note", "it is", f"{every_name(credentials.names)}, by {shown(leaf.issuer_text)}"
    )
    yield ReportRow("identity.pair", "good", "key", "it belongs to the certificate")
    yield _key(leaf)
    yield from days_rows("identity.days", chain, now)
    yield from _self_verification(chain, now)
    yield _chain(chain, anchors, requested)
    if requested:
        yield _issuer(credentials, chain, requested)
        yield from _scheme(credentials, requested)


def _key(leaf: ParsedCertificate) -> ReportRow:
    text = f"{key_text(leaf.key)}, signed with {signed_with(leaf)}"
    bits = getattr(leaf.key, "key_size", STRONG_RSA_BITS) if "RSA" in text.split(",")[0] else STRONG_RSA_BITS
    if bits < STRONG_RSA_BITS:
        return ReportRow(
            "identity.key", "note", "strength", f"{text}; good until 2030, as NIST SP 800-57 counts"
        )
    return ReportRow("identity.key", "good", "strength", text)


def _self_verification(chain: Sequence[ParsedCertificate], now: datetime) -> Iterator[ReportRow]:
    """Verify our chain as every server will, but with its last certificate as trust anchor."""
    top = linked(chain)[0][-1]
    verdict = verify(
        [each.der for each in chain], TrustStore([top.der]), purpose=Purpose.CLIENT, name=None, at=now
    )
    reasons = verdict.reasons if isinstance(verdict, Refused) else ()
    yield from own_reason_rows(reasons, "identity", now)
    faults = {reason.fault for reason in reasons}
    if not faults & {Fault.WRONG_EXTENDED_KEY_USAGE, Fault.WRONG_KEY_USAGE}:
        yield ReportRow("identity.usage", "good", "may be used", "for client authentication, by a signature")


def _chain(
    chain: Sequence[ParsedCertificate], anchors: TrustStore | None, requested: Sequence[RequestFacts]
) -> ReportRow:
    top = linked(chain)[0][-1]
    count = f"{counted(len(chain), 'certificate')} to send"
    issuer = shown(top.issuer_text)
    if is_self_signed(top):
        return ReportRow("identity.chain", "good", "chain", f"{count}, complete up to {issuer}")
    if any(top.issuer in each.authorities for each in requested):
        return ReportRow(
            "identity.chain", "good", "chain", f"{count}, up to {issuer}, which the server names"
        )
    if anchors is not None and anchors.issuers_of(top):
        return ReportRow("identity.chain", "good", "chain", f"{count}, up to {issuer}, which is in --ca")
    return ReportRow(
        "identity.chain", "warning", "chain", f"{count}; the last one's issuer, {issuer}, is not among them",
        "if that is an intermediate, append its certificate to the file of --cert",
    )  # fmt: skip


def _issuer(
    credentials: Credentials, chain: Sequence[ParsedCertificate], requested: Sequence[RequestFacts]
) -> ReportRow:
    named = [name for each in requested for name in each.authorities]
    if not all(each.authorities for each in requested):
        return ReportRow(
            "identity.issuer", "unknown", "issuer", "the server names no CAs, so any CA may be accepted"
        )
    if credentials.is_issued_by(named):
        return ReportRow("identity.issuer", "good", "issuer", "our chain leads to a CA that the server names")
    issuers = ", ".join(dict.fromkeys(shown(each.issuer_text) for each in chain))
    text = f"not among {_counted(len(set(named)))} that the server names: {issuers}"
    hint = "use the certificate that the server's operator issued, or have it trust this issuer"
    return ReportRow("identity.issuer", "warning", "issuer", text, hint)


def _counted(authorities: int) -> str:
    return "the one CA" if authorities == 1 else f"the {authorities} CAs"


def _scheme(credentials: Credentials, requested: Sequence[RequestFacts]) -> Iterator[ReportRow]:
    """For each version: by which scheme does our key sign what the server accepts (RFC 9846 4.3.3)?"""
    for each in requested:
        fitting = schemes_for(credentials.certificate, each.version)
        usable = [scheme for scheme in fitting if scheme in each.schemes and _is_of_type(scheme, each.types)]
        version = f"TLS {each.version.text}"
        id_ = f"identity.scheme.{each.version.text.replace('.', '')}"
        level: Level = "good" if usable else "problem"
        if usable:
            yield ReportRow(
                id_,
                level,
                f"signs in {version}",
                f"by {all_spelled(SignatureScheme, usable)[0]}, which is accepted",
            )
        else:
            own_schemes = ", ".join(all_spelled(SignatureScheme, fitting)[:LISTED]) or "nothing"
            text = f"our key signs with {own_schemes}, and the server accepts none of these"
            yield ReportRow(
                id_, level, f"signs in {version}", text, "use a certificate with another type of key"
            )


def _is_of_type(scheme: int, types: tuple[int, ...] | None) -> bool:
    if types is None:
        return True
    return (ClientCertificateType.rsa_sign if is_rsa(scheme) else ClientCertificateType.ecdsa_sign) in types
