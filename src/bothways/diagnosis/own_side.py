"""What the peer may have refused on our side: rules about our certificate, our hello and our clock.

A rule examines one question and yields the causes that it finds, with the evidence for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from bothways.describe.messages import listed
from bothways.diagnosis import certificates as certs
from bothways.diagnosis import clocks
from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.faults import Fault, Reason, shown
from bothways.iana import Alert, SignatureScheme, names
from bothways.roles import Version
from bothways.tls.crypto.signing import described, schemes_for
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.distinguished_names import dn_text
from bothways.trust.names import names_of

CERTAIN, LIKELY, POSSIBLE = Weight.CERTAIN, Weight.LIKELY, Weight.POSSIBLE
OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN
SOON_DAYS = 7
# Alerts by which TLS implementations refuse a CA that they do not trust.
CERTIFICATE_ALERTS = (
    Alert.UNKNOWN_CA,
    Alert.BAD_CERTIFICATE,
    Alert.CERTIFICATE_UNKNOWN,
    Alert.HANDSHAKE_FAILURE,
)
# Alerts by which TLS implementations refuse a certificate for another name; some close without one.
NAME_ALERTS = (Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_UNKNOWN, None)
# OpenSSL sends the first for a certificate that is not yet valid.
CLOCK_ALERTS = (Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_EXPIRED)


# -- was a certificate sent? --------------------------------------------------------------------------------------


def absent(case: Case) -> Iterator[Likely]:
    """A certificate was requested, and we sent none."""
    seen, request = case.seen, case.request
    if not case.is_client or request is None or seen.shown is None or seen.shown:
        return
    named = f"; it names {certs.listed_names(request.authorities)}" if request.authorities else ""
    if not case.ours.own:
        evidence = f"the server asked for one in the handshake{named}"
        yield case.likely(Cause.NO_CERTIFICATE, OURS, CERTAIN, evidence, detail="none was configured")
        return
    leaves = [ParsedCertificate(chain[0]) for chain in case.ours.own]
    kinds = listed([described(each.key) for each in leaves])
    version = Version.TLS13 if seen.version == Version.TLS13 else Version.TLS12
    if not any(set(schemes_for(each.x509, version)) & set(request.schemes) for each in leaves):
        accepts = listed(names(SignatureScheme, request.schemes))
        detail = f"our key is {kinds}, the server accepts {accepts}"
        yield case.likely(
            Cause.NO_SHARED_SCHEME, OURS, CERTAIN, "so none of our certificates was sent", detail=detail
        )
        return
    issuers = listed([each.issuer_text for each in leaves])
    detail = f"ours are issued by {issuers}{named}, and the wrong one of several must not be sent"
    yield case.likely(Cause.CERTIFICATE_WITHHELD, OURS, CERTAIN, detail=detail)


def unasked(case: Case) -> Iterator[Likely]:
    """We have a certificate, and the server did not request it."""
    if case.is_client and case.request is None and case.ours.own:
        yield case.likely(Cause.CERTIFICATE_NOT_ASKED, PEERS, LIKELY, "no CertificateRequest came")


# -- what is wrong with it? --------------------------------------------------------------------------------


def flawed(case: Case) -> Iterator[Likely]:
    """Reasons for which we would refuse our own chain: each has to be corrected; first those that fit the alert."""
    reasons = [each for each in case.own_reasons if each.fault is not Fault.NO_PATH]
    reasons.sort(key=lambda each: not _agrees(case, each))
    begins = 1 if is_issuer_unnamed(case) else 0
    said: set[tuple[Cause, str]] = set()
    for order, reason in enumerate(reasons, begins):
        for likely in _flaw(case, reason):
            if (likely.cause, likely.text) not in said:
                said.add((likely.cause, likely.text))
                yield replace(likely, order=order)


def _flaw(case: Case, reason: Reason) -> Iterator[Likely]:
    agrees = _agrees(case, reason)
    evidence = (
        "our own verification of it finds the same" if agrees else "our own verification of it finds this"
    )
    if reason.fault in (Fault.CERTIFICATE_EXPIRED, Fault.CERTIFICATE_NOT_YET_VALID):
        evidence = f"our clock says {case.situation.now:%Y-%m-%d %H:%M} UTC"
        clock = clocks.wrong(case, ahead=reason.fault is Fault.CERTIFICATE_EXPIRED)
        if clock is not None and not agrees:
            yield case.likely(Cause.OUR_CLOCK, OURS, *clock)
    yield certs.cause_of(case, reason, OURS, CERTAIN if agrees else LIKELY, evidence)


def _agrees(case: Case, reason: Reason) -> bool:
    """Whether the peer's alert is the one that bothways or OpenSSL sends for this reason."""
    return case.alert == reason.fault.alert or case.alert == OPENSSL_ALERTS.get(reason.fault)


# OpenSSL sends unknown_ca for an invalid CA and for an exceeded path length.
OPENSSL_ALERTS = {
    Fault.PATH_LENGTH_EXCEEDED: Alert.UNKNOWN_CA,
    Fault.NOT_A_CA: Alert.UNKNOWN_CA,
    Fault.KEY_MAY_NOT_SIGN_CERTIFICATES: Alert.UNKNOWN_CA,
    Fault.CERTIFICATE_NOT_YET_VALID: Alert.BAD_CERTIFICATE,
}


def is_issuer_unnamed(case: Case) -> bool:
    """Whether the server names the CAs that it accepts, and our chain leads to none of them."""
    named = case.request.authorities if case.request is not None else ()
    return bool(case.chain and named) and not certs.is_named(case.chain, named)


def unnamed_issuer(case: Case) -> Iterator[Likely]:
    """The server does not name our issuer, whatever its alert is for: this has to be corrected first."""
    if is_issuer_unnamed(case):
        yield from issuer(case)


def issuer(case: Case) -> Iterator[Likely]:
    """Whether the peer can find a path from our chain to a CA of its own."""
    chain = case.chain
    if not chain:
        return
    last = chain[-1]
    name = last.issuer_text
    if len(chain) == 1 and last.is_self_issued:
        yield case.likely(
            Cause.SELF_SIGNED, OURS, LIKELY, f"its issuer and its subject are the same: {name}", issuer=name
        )
        return
    named = case.request.authorities if case.request is not None else ()
    sent = f"we sent {certs.described(chain)}"
    if not named:
        yield from _issuer_unnamed(case, sent)
    elif certs.is_named(chain, named):
        yield from _issuer_named(case, sent)
    else:
        yield from _issuer_not_named(case, sent, named)


def _issuer_not_named(case: Case, sent: str, named: tuple[bytes, ...]) -> Iterator[Likely]:
    """The server names the CAs that it accepts, and ours is not among them."""
    last = case.chain[-1]
    name, theirs = last.issuer_text, certs.listed_names(named)
    seen = f"{sent}; the server accepts {theirs}"
    detail = f"{name} is not one of those that it names"
    if (found := certs.mixed(name, theirs)) is not None:
        mixed = f"our certificate is of {found[0]}, the server of {found[1]}"
        yield case.likely(Cause.WRONG_ENVIRONMENT, OURS, LIKELY, seen, detail=mixed)
    elif (kin := _above(case, [dn_text(each) for each in named])) is not None:
        evidence = f"{seen}; {kin} seems to have issued it"
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, LIKELY, evidence, issuer=name)
    yield case.likely(Cause.CA_NOT_ACCEPTED, OURS, LIKELY, seen, detail=detail)
    if not certs.is_root(name):
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, POSSIBLE, issuer=name)


def _above(case: Case, named: list[str]) -> str | None:
    """Return a CA that issued the end of our chain, by our trust anchors and by the names, or ""."""
    last = case.chain[-1]
    anchor, signed = certs.knows(case.ours.anchors, last)
    if anchor is not None and signed:
        return None if anchor.is_self_issued else anchor.issuer_text
    return certs.relative(last.issuer_text, named)


def _issuer_named(case: Case, sent: str) -> Iterator[Likely]:
    """The server names our CA, and finds no path: another key of that name, no root above it, or no CRL."""
    last = case.chain[-1]
    name = last.issuer_text
    anchor, signed = certs.knows(case.ours.anchors, last)
    named = case.request.authorities if case.request is not None else ()
    found = certs.highest_named(case.chain, named)
    seen = f"{sent}; the server names {found}"
    if anchor is not None and not signed:
        evidence = f"{seen}; the CA of that name that we trust did not sign it"
        yield case.likely(Cause.CA_REPLACED, OURS, LIKELY, evidence, issuer=name)
    elif case.alert == Alert.UNKNOWN_CA:
        yield from partial_chain(case)
        weight = POSSIBLE if case.own_reasons else LIKELY
        detail = (
            "it may lack the current certificate revocation list (CRL) "
            "of our CA; OpenSSL sends the same alert for that"
        )
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, weight, seen, whose="our", detail=detail)
        yield case.likely(Cause.CA_REPLACED, OURS, POSSIBLE, issuer=name)
        yield case.likely(Cause.PATH_TOO_LONG, OURS, POSSIBLE)


def partial_chain(case: Case) -> Iterator[Likely]:
    """The server names our intermediate and not its issuer: OpenSSL accepts no intermediate as a trust anchor."""
    named = case.request.authorities if case.request is not None else ()
    found = certs.highest_named(case.chain, named)
    if found is None:
        return
    above = certs.above_named(case.chain, found, case.ours.anchors)
    if above is not None and not certs.is_among(above, named):
        evidence = f"it names {found}, which {above} issued, and does not name that"
        yield case.likely(Cause.PARTIAL_CHAIN, PEERS, LIKELY, evidence, issuer=found)


def too_deep(case: Case) -> Iterator[Likely]:
    """The chain has two intermediates or more and is valid: the limit of the peer may be lower.

    Apache sends internal_error for that, OpenSSL unknown_ca. Apache counts the root too; its limit is one CA.
    """
    count = len(case.chain)
    usual = APACHES_DEPTH if case.alert == Alert.INTERNAL_ERROR else USUAL_DEPTH
    if count > usual and not case.own_reasons and not is_issuer_unnamed(case):
        weight = LIKELY if case.alert in (None, Alert.INTERNAL_ERROR) else POSSIBLE
        evidence = f"we sent {count} certificates, and our own verification finds nothing wrong with them"
        detail = "nginx and Apache accept only one intermediate where ssl_verify_depth or SSLVerifyDepth is 1"
        yield case.likely(Cause.DEPTH_LIMIT, PEERS, weight, evidence, detail=detail)


USUAL_DEPTH = 2  # a leaf and one intermediate
APACHES_DEPTH = 1  # a leaf, and the root that it does not send


def _issuer_unnamed(case: Case, sent: str) -> Iterator[Likely]:
    """The peer does not name its CAs: only our own side is known."""
    last = case.chain[-1]
    name = last.issuer_text
    anchor, signed = certs.knows(case.ours.anchors, last)
    detail = f"{name} is not one of its trust anchors, or not for this use"
    if anchor is not None and signed and not anchor.is_self_issued:
        evidence = f"{sent}, itself an intermediate, which we did not send"
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, LIKELY, evidence, issuer=name)
    elif len(case.chain) == 1 and certs.tells_issuer(last):
        evidence = f"{sent}; it says where that CA's certificate can be fetched, which few peers do"
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, LIKELY, evidence, issuer=name)
    elif any(word in name.lower() for word in ("intermediate", "issuing")):
        yield case.likely(
            Cause.INTERMEDIATE_MISSING, OURS, LIKELY, f"{sent}, an intermediate by its name", issuer=name
        )
    weight = LIKELY if case.alert in CERTIFICATE_ALERTS else POSSIBLE
    yield case.likely(Cause.CA_NOT_ACCEPTED, OURS, weight, sent, detail=detail)
    known_root = certs.is_root(name) or (anchor is not None and signed and anchor.is_self_issued)
    if len(case.chain) == 1 and not known_root:
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, POSSIBLE, issuer=name)


def clock(case: Case) -> Iterator[Likely]:
    """Whether our certificate may be outside its validity period by the peer's clock, though not by ours."""
    chain, now = case.chain, case.situation.now
    if not chain or not all(each.not_before <= now <= each.not_after for each in chain):
        return
    ends, begins = min(each.not_after for each in chain), max(each.not_before for each in chain)
    days = (ends - now).days
    period = f"our chain is valid from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC"
    near = case.alert in CLOCK_ALERTS and (now - begins < certs.FRESH or days < SOON_DAYS)
    yield case.likely(Cause.PEERS_CLOCK, PEERS, LIKELY if near else POSSIBLE, period)


def expired_by_alert(case: Case) -> Iterator[Likely]:
    """The peer says that our certificate expired: it or its CA did, a clock is ahead, or a CRL is out of date."""
    yield from anchor_expired(case)
    for each in clock(case):
        yield case.likely(each.cause, each.party, LIKELY, each.evidence)
    if case.chain:
        detail = (
            "its certificate revocation list (CRL) for our CA may be "
            "out of date; OpenSSL sends the same alert for that"
        )
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, whose="our", detail=detail)
    yield case.likely(
        Cause.EXPIRED, OURS, POSSIBLE, date="a date that the peer knows", subject="a certificate of ours"
    )


def anchor_expired(case: Case) -> Iterator[Likely]:
    """The CA certificate of our chain, as we have it, expired: the peer may have no newer one."""
    anchor, signed = certs.knows(case.ours.anchors, case.chain[-1]) if case.chain else (None, False)
    if anchor is not None and signed and anchor.not_after < case.situation.now:
        date = f"{anchor.not_after:%Y-%m-%d %H:%M} UTC"
        evidence = f"the one of that name in {case.ours.files.ca} did"
        yield case.likely(
            Cause.ANCHOR_EXPIRED, PEERS, LIKELY, evidence, issuer=anchor.subject_text, date=date
        )


def status(case: Case) -> Iterator[Likely]:
    """The peer may be unable to determine the revocation status of our certificate."""
    if case.chain:
        detail = "it may have no current certificate revocation list (CRL), or reach no OCSP responder"
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, whose="our", detail=detail)


def revoked(case: Case) -> Iterator[Likely]:
    """The peer says that our certificate is revoked."""
    yield case.likely(
        Cause.REVOKED, OURS, LIKELY, "the peer's certificate revocation list (CRL) or OCSP responder says so"
    )


def wrong_use(case: Case) -> Iterator[Likely]:
    """The peer says that our certificate is of the wrong kind."""
    usage = "clientAuth" if case.is_client else "serverAuth"
    profile = case.role.value
    facts = {"wanted": usage, "usage": usage, "profile": profile, "got": "something else"}
    yield case.likely(Cause.WRONG_USE, OURS, POSSIBLE, **facts)
    yield case.likely(Cause.WRONG_KEY_USAGE, OURS, POSSIBLE, wanted="digitalSignature")
    kind = f"our {described(case.chain[0].key)}" if case.chain else "ours"
    yield case.likely(Cause.NO_SHARED_SCHEME, OURS, POSSIBLE, detail=f"it accepts another kind than {kind}")


def weak_key(case: Case) -> Iterator[Likely]:
    """Our key is too weak by the rules of the peer."""
    if case.chain:
        got = described(case.chain[0].key)
        yield case.likely(Cause.WEAK_KEY, OURS, POSSIBLE, "it may ask for more than is usual", got=got)


def below_strict_levels(case: Case) -> Iterator[Likely]:
    """OpenSSL at security level 3 requires 128 bits of every key of a chain, and otherwise sends bad_certificate."""
    weak = next((each for each in case.chain if _bits(each) < STRICT_RSA_BITS), None)
    if weak is not None and not case.own_reasons and not is_issuer_unnamed(case):
        whose = (
            "our certificate" if weak is case.chain[0] else f"the CA {shown(weak.subject_text)} in our chain"
        )
        evidence = "servers that require stronger keys than usual (security level 3) send this alert"
        yield case.likely(Cause.WEAK_KEY, OURS, LIKELY, evidence, got=described(weak.key), subject=whose)


STRICT_RSA_BITS = 3072


def _bits(certificate: ParsedCertificate) -> int:
    return certificate.key.key_size if isinstance(certificate.key, RSAPublicKey) else STRICT_RSA_BITS


def staple(case: Case) -> Iterator[Likely]:
    """The peer requires a stapled OCSP response with our certificate."""
    yield case.likely(
        Cause.STAPLE_MISSING, OURS, LIKELY, "the alert is for that alone", detail="see the peer's policy"
    )
    yield case.likely(
        Cause.BAD_STAPLE, OURS, POSSIBLE, detail="it is for another certificate, or out of date"
    )


def wrong_name(case: Case) -> Iterator[Likely]:
    """A client refused our certificate, and sent no server name that could be compared with it."""
    if case.is_client or not case.chain:
        return
    asked = case.seen.offer.server_name if case.seen.offer is not None else None
    if asked is None:
        evidence = (
            "it sent no server name: it connected by address, or by "
            "a name without dots, which Java does not send"
        )
        names = names_of(case.chain[0])
        lacking = not names.ip and all("." in each for each in names.dns)
        if lacking:
            evidence += "; our certificate has neither"
        cause = Cause.WRONG_NAME if names.dns or names.ip else Cause.NO_ALTERNATIVE_NAME
        weight = LIKELY if lacking and case.alert in NAME_ALERTS else POSSIBLE
        wanted = "the address that the client connected to"
        yield case.likely(cause, OURS, weight, evidence, got=_names(case), wanted=wanted)


def _names(case: Case) -> str:
    found = names_of(case.chain[0])
    return shown(found.dns + found.ip) or found.subject


def key_mismatch(case: Case) -> Iterator[Likely]:
    """Our signature did not verify."""
    yield case.likely(
        Cause.KEY_MISMATCH,
        OURS,
        POSSIBLE,
        "bothways compares certificate and key when it loads them, so this can only be a key that is held elsewhere",
    )
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, POSSIBLE)


def refused_signature(case: Case) -> Iterator[Likely]:
    """The signature in our certificate did not verify for the peer: it has another key of the issuer."""
    if case.chain:
        name = case.chain[-1].issuer_text
        yield case.likely(
            Cause.CA_REPLACED,
            OURS,
            LIKELY,
            "OpenSSL sends this alert for a wrong signature in a chain",
            issuer=name,
        )


def not_let_in(case: Case) -> Iterator[Likely]:
    """Our certificate is valid, and its holder is not authorized."""
    if case.chain and not case.own_reasons and not is_issuer_unnamed(case):
        named = case.request is not None and certs.is_named(case.chain, case.request.authorities)
        evidence = "our own verification finds nothing wrong with it" + (
            ", and the server names its CA" if named else ""
        )
        yield case.likely(Cause.NOT_LET_IN, OURS, POSSIBLE, evidence, subject=case.chain[0].subject_text)


def unsaid(case: Case) -> Iterator[Likely]:
    """No reason against our certificate is known, and it was refused."""
    if case.chain:
        yield case.likely(Cause.NOT_ACCEPTED, OURS, POSSIBLE)
