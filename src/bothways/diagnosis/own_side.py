"""What may be wrong with us in the peer's eyes: rules about our certificate, our hello and our clock.

A rule looks at one question and yields the causes that it finds, with what speaks for them.
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
# Alerts by which one stack or another tells that it does not know our CA.
CERTIFICATE_ALERTS = (
    Alert.UNKNOWN_CA,
    Alert.BAD_CERTIFICATE,
    Alert.CERTIFICATE_UNKNOWN,
    Alert.HANDSHAKE_FAILURE,
)
# Alerts by which one stack or another tells that a certificate is for another name.
NAME_ALERTS = (Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_UNKNOWN)
# OpenSSL tells a certificate that is not yet valid by the first.
CLOCK_ALERTS = (Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_EXPIRED)


# -- did we send one? --------------------------------------------------------------------------------------


def absent(case: Case) -> Iterator[Likely]:
    """A certificate was asked for, and we sent none."""
    seen, request = case.seen, case.request
    if not case.is_client or request is None or seen.shown is None or seen.shown:
        return
    named = f"; it names {certs.listed_names(request.authorities)}" if request.authorities else ""
    if not case.ours.own:
        evidence = f"the server asked for one in the handshake{named}"
        yield case.likely(Cause.NO_CERTIFICATE, OURS, CERTAIN, evidence, detail="none was given")
        return
    leaves = [ParsedCertificate(chain[0]) for chain in case.ours.own]
    kinds = listed([described(each.key) for each in leaves])
    version = Version.TLS13 if seen.version == Version.TLS13 else Version.TLS12
    if not any(set(schemes_for(each.x509, version)) & set(request.schemes) for each in leaves):
        accepts = listed(names(SignatureScheme, request.schemes))
        detail = f"our key is {kinds}, the server accepts {accepts}"
        yield case.likely(Cause.NO_SHARED_SCHEME, OURS, CERTAIN, "so none of ours was sent", detail=detail)
        return
    issuers = listed([each.issuer_text for each in leaves])
    detail = f"ours are issued by {issuers}{named}, and of several a wrong one must not be shown"
    yield case.likely(Cause.CERTIFICATE_WITHHELD, OURS, CERTAIN, detail=detail)


def unasked(case: Case) -> Iterator[Likely]:
    """We have a certificate, and the server did not ask for it."""
    if case.is_client and case.request is None and case.ours.own:
        yield case.likely(Cause.CERTIFICATE_NOT_ASKED, PEERS, LIKELY, "no CertificateRequest came")


# -- what is wrong with it? --------------------------------------------------------------------------------


def flawed(case: Case) -> Iterator[Likely]:
    """What our own trust would refuse our chain for: each has to be mended, what the alert agrees with first."""
    reasons = [each for each in case.own_reasons if each.fault is not Fault.NO_PATH]
    reasons.sort(key=lambda each: not _agrees(case, each))
    begins = 1 if is_issuer_unnamed(case) else 0
    for order, reason in enumerate(reasons, begins):
        for likely in _flaw(case, reason):
            yield replace(likely, order=order)


def _flaw(case: Case, reason: Reason) -> Iterator[Likely]:
    agrees = _agrees(case, reason)
    evidence = "our own check of it finds the same" if agrees else "our own check of it finds this"
    if reason.fault in (Fault.CERTIFICATE_EXPIRED, Fault.CERTIFICATE_NOT_YET_VALID):
        evidence = f"our clock says {case.situation.now:%Y-%m-%d %H:%M} UTC"
        clock = clocks.wrong(case, ahead=reason.fault is Fault.CERTIFICATE_EXPIRED)
        if clock is not None and not agrees:
            yield case.likely(Cause.OUR_CLOCK, OURS, *clock)
    yield certs.cause_of(case, reason, OURS, CERTAIN if agrees else LIKELY, evidence)


def _agrees(case: Case, reason: Reason) -> bool:
    """Whether the peer's alert is the one for this reason, ours or OpenSSL's."""
    return case.alert == reason.fault.alert or case.alert == OPENSSL_ALERTS.get(reason.fault)


# OpenSSL says unknown_ca to what it calls an invalid CA, or a path length that is exceeded.
OPENSSL_ALERTS = {
    Fault.PATH_LENGTH_EXCEEDED: Alert.UNKNOWN_CA,
    Fault.NOT_A_CA: Alert.UNKNOWN_CA,
    Fault.KEY_MAY_NOT_SIGN_CERTIFICATES: Alert.UNKNOWN_CA,
    Fault.CERTIFICATE_NOT_YET_VALID: Alert.BAD_CERTIFICATE,
}


def is_issuer_unnamed(case: Case) -> bool:
    """Whether the server names whom it accepts, and our chain leads to none of them."""
    named = case.request.authorities if case.request is not None else ()
    return bool(case.chain and named) and not certs.is_named(case.chain, named)


def unnamed_issuer(case: Case) -> Iterator[Likely]:
    """An issuer that the server does not name, whatever its alert is for: nothing else helps before that."""
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
    """The server says which CAs it accepts, and ours is none of them."""
    last = case.chain[-1]
    name, theirs = last.issuer_text, certs.listed_names(named)
    seen = f"{sent}; the server accepts {theirs}"
    detail = f"{name} is none of those that it names"
    if (found := certs.mixed(name, theirs)) is not None:
        mixed = f"our certificate is of {found[0]}, the server of {found[1]}"
        yield case.likely(Cause.WRONG_ENVIRONMENT, OURS, LIKELY, seen, detail=mixed)
    elif (kin := _above(case, [dn_text(each) for each in named])) is not None:
        evidence = f"{seen}; {kin} seems to stand above it"
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, LIKELY, evidence, issuer=name)
    yield case.likely(Cause.CA_NOT_ACCEPTED, OURS, LIKELY, seen, detail=detail)
    if not certs.is_root(name):
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, POSSIBLE, issuer=name)


def _above(case: Case, named: list[str]) -> str | None:
    """Return a CA that stands above the end of our chain, as far as our anchors and the names tell."""
    last = case.chain[-1]
    anchor, signed = certs.knows(case.ours.anchors, last)
    if anchor is not None and signed:
        return None if anchor.is_self_issued else anchor.issuer_text
    return certs.relative(last.issuer_text, named)


def _issuer_named(case: Case, sent: str) -> Iterator[Likely]:
    """The server names our CA, and yet finds no path: another key of that name, no root above it, or no list."""
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
        detail = "it may lack the current revocation list of our CA, which OpenSSL tells by the same alert"
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, weight, seen, whose="our", detail=detail)
        yield case.likely(Cause.CA_REPLACED, OURS, POSSIBLE, issuer=name)
        yield case.likely(Cause.PATH_TOO_LONG, OURS, POSSIBLE)


def partial_chain(case: Case) -> Iterator[Likely]:
    """The server names an intermediate of ours and not what stands above it: OpenSSL finds no path to that alone."""
    named = case.request.authorities if case.request is not None else ()
    found = certs.highest_named(case.chain, named)
    if found is None:
        return
    above = certs.above_named(case.chain, found, case.ours.anchors)
    if above is not None and not certs.is_among(above, named):
        evidence = f"it names {found}, which {above} issued, and does not name that"
        yield case.likely(Cause.PARTIAL_CHAIN, PEERS, LIKELY, evidence, issuer=found)


def too_deep(case: Case) -> Iterator[Likely]:
    """Two intermediates or more, with which nothing is wrong: the peer's limit may be lower.

    Apache says internal_error to them, OpenSSL unknown_ca. Apache counts the root too, and its limit is one CA.
    """
    count = len(case.chain)
    usual = APACHES_DEPTH if case.alert == Alert.INTERNAL_ERROR else USUAL_DEPTH
    if count > usual and not case.own_reasons and not is_issuer_unnamed(case):
        weight = LIKELY if case.alert in (None, Alert.INTERNAL_ERROR) else POSSIBLE
        evidence = f"we sent {count} certificates, and our own check finds nothing wrong with them"
        detail = "nginx and Apache accept one intermediate where ssl_verify_depth or SSLVerifyDepth is 1"
        yield case.likely(Cause.DEPTH_LIMIT, PEERS, weight, evidence, detail=detail)


USUAL_DEPTH = 2  # a leaf and one intermediate
APACHES_DEPTH = 1  # a leaf, and the root that it does not send


def _issuer_unnamed(case: Case, sent: str) -> Iterator[Likely]:
    """The peer says nothing of its CAs: what we know of our own must do."""
    last = case.chain[-1]
    name = last.issuer_text
    anchor, signed = certs.knows(case.ours.anchors, last)
    detail = f"{name} is not among its CAs, or not for this"
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
    """Whether the peer's clock sees our certificate outside of its time, though ours does not."""
    chain, now = case.chain, case.situation.now
    if not chain or not all(each.not_before <= now <= each.not_after for each in chain):
        return
    ends, begins = min(each.not_after for each in chain), max(each.not_before for each in chain)
    days = (ends - now).days
    period = f"our chain is valid from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC"
    near = case.alert in CLOCK_ALERTS and (now - begins < certs.FRESH or days < SOON_DAYS)
    yield case.likely(Cause.PEERS_CLOCK, PEERS, LIKELY if near else POSSIBLE, period)


def expired_by_alert(case: Case) -> Iterator[Likely]:
    """The peer says that our certificate is expired: it is, or its CA's is, or a clock runs ahead, or a list is old."""
    yield from anchor_expired(case)
    for each in clock(case):
        yield case.likely(each.cause, each.party, LIKELY, each.evidence)
    if case.chain:
        detail = "its revocation list for our CA may be past its time, which OpenSSL tells by the same alert"
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, whose="our", detail=detail)
    yield case.likely(
        Cause.EXPIRED, OURS, POSSIBLE, date="a date that the peer knows", subject="a certificate of ours"
    )


def anchor_expired(case: Case) -> Iterator[Likely]:
    """The CA that vouches for us, as we know it, has expired: the peer may have no newer certificate of it."""
    anchor, signed = certs.knows(case.ours.anchors, case.chain[-1]) if case.chain else (None, False)
    if anchor is not None and signed and anchor.not_after < case.situation.now:
        date = f"{anchor.not_after:%Y-%m-%d %H:%M} UTC"
        evidence = f"the one of that name in {case.ours.files.ca} did"
        yield case.likely(
            Cause.ANCHOR_EXPIRED, PEERS, LIKELY, evidence, issuer=anchor.subject_text, date=date
        )


def status(case: Case) -> Iterator[Likely]:
    """The peer may be unable to learn whether our certificate is revoked."""
    if case.chain:
        detail = "it may lack a current revocation list, or reach no responder"
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, whose="our", detail=detail)


def revoked(case: Case) -> Iterator[Likely]:
    """The peer says that our certificate is revoked."""
    yield case.likely(Cause.REVOKED, OURS, LIKELY, "the peer's list or responder says so")


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
    """The peer finds our key too weak by a measure of its own."""
    if case.chain:
        got = described(case.chain[0].key)
        yield case.likely(Cause.WEAK_KEY, OURS, POSSIBLE, "it may ask for more than is usual", got=got)


def below_strict_levels(case: Case) -> Iterator[Likely]:
    """OpenSSL at security level 3 wants 128 bits of every key of a chain, and says bad_certificate to less."""
    weak = next((each for each in case.chain if _bits(each) < STRICT_RSA_BITS), None)
    if weak is not None and not case.own_reasons and not is_issuer_unnamed(case):
        whose = (
            "our certificate" if weak is case.chain[0] else f"the CA {shown(weak.subject_text)} in our chain"
        )
        evidence = "servers that ask for more than is usual (security level 3) say this alert"
        yield case.likely(Cause.WEAK_KEY, OURS, LIKELY, evidence, got=described(weak.key), subject=whose)


STRICT_RSA_BITS = 3072


def _bits(certificate: ParsedCertificate) -> int:
    return certificate.key.key_size if isinstance(certificate.key, RSAPublicKey) else STRICT_RSA_BITS


def staple(case: Case) -> Iterator[Likely]:
    """The peer wants our revocation status along with our certificate."""
    yield case.likely(
        Cause.STAPLE_MISSING, OURS, LIKELY, "the alert is for that alone", detail="see the peer's policy"
    )
    yield case.likely(
        Cause.BAD_STAPLE, OURS, POSSIBLE, detail="it is of another certificate, or past its time"
    )


def wrong_name(case: Case) -> Iterator[Likely]:
    """A client refused our certificate, and asked for no name by which we could tell whether it has one."""
    if case.is_client or not case.chain:
        return
    asked = case.seen.offer.server_name if case.seen.offer is not None else None
    if asked is None:
        evidence = "it asked for no name: it connected by address, or by a name without dots, which Java does not send"
        names = names_of(case.chain[0])
        lacking = not names.ip and all("." in each for each in names.dns)
        if lacking:
            evidence += "; our certificate has neither"
        weight = LIKELY if lacking and case.alert in NAME_ALERTS else POSSIBLE
        wanted = "the address that the client connected to"
        yield case.likely(Cause.WRONG_NAME, OURS, weight, evidence, got=_names(case), wanted=wanted)


def _names(case: Case) -> str:
    found = names_of(case.chain[0])
    return shown(found.dns + found.ip) or found.subject


def key_mismatch(case: Case) -> Iterator[Likely]:
    """Our signature did not verify."""
    yield case.likely(
        Cause.KEY_MISMATCH,
        OURS,
        POSSIBLE,
        "credentials are checked when they are read, so this needs a key held elsewhere",
    )
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, POSSIBLE)


def refused_signature(case: Case) -> Iterator[Likely]:
    """The signature in our certificate did not verify for the peer: it knows its issuer with another key."""
    if case.chain:
        name = case.chain[-1].issuer_text
        yield case.likely(
            Cause.CA_REPLACED,
            OURS,
            LIKELY,
            "OpenSSL tells a wrong signature in a chain by this alert",
            issuer=name,
        )


def not_let_in(case: Case) -> Iterator[Likely]:
    """Our certificate is good, and its holder may not pass."""
    if case.chain and not case.own_reasons and not is_issuer_unnamed(case):
        named = case.request is not None and certs.is_named(case.chain, case.request.authorities)
        evidence = "our own check finds nothing wrong with it" + (
            ", and the server names its CA" if named else ""
        )
        yield case.likely(Cause.NOT_LET_IN, OURS, POSSIBLE, evidence, subject=case.chain[0].subject_text)


def unsaid(case: Case) -> Iterator[Likely]:
    """Nothing that we know of speaks against our certificate, and yet it was refused."""
    if case.chain:
        yield case.likely(Cause.NOT_ACCEPTED, OURS, POSSIBLE)
