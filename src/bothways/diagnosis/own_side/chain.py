"""What the peer may have refused on our side: rules about our certificate, our hello and our clock.

A rule examines one question and yields the causes that it finds, with the evidence for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bothways.describe.messages import listed
from bothways.diagnosis import certificates as certs
from bothways.diagnosis import clocks
from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.own_side import issuer as own_issuer
from bothways.diagnosis.own_side import name as own_name
from bothways.diagnosis.own_side import strength as own_strength
from bothways.diagnosis.own_side.key_kinds import kinds_of_key
from bothways.diagnosis.stacks import Stack
from bothways.faults import Fault, Reason, shown
from bothways.iana import Alert, SignatureScheme, names
from bothways.roles import Version
from bothways.tls.crypto.signing import described, schemes_for
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.path.name_matching import SPIFFE, names_of

CERTAIN, LIKELY, POSSIBLE = Weight.CERTAIN, Weight.LIKELY, Weight.POSSIBLE
OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN
SOON_DAYS = 7
# Alerts for clients without a certificate; the others have other reasons too, such as the name that we asked for.
NONE_SENT = (Alert.CERTIFICATE_REQUIRED, Alert.NO_CERTIFICATE)
# Alerts that are for one fault alone; the others are for many.
SPECIFIC = (
    Alert.CERTIFICATE_EXPIRED, Alert.CERTIFICATE_REVOKED, Alert.UNSUPPORTED_CERTIFICATE,
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
)  # fmt: skip
LONG_DAYS = 90
# OpenSSL sends the first for a certificate that is not yet valid.
CLOCK_ALERTS = (Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_EXPIRED)


def silent_weight(case: Case) -> Weight:
    """Return how likely it is that nobody answers behind a server that closed without a word.

    Where it got our certificate, or did although it asked for one, it may as well have refused us.
    """
    return POSSIBLE if case.chain or case.request is not None else LIKELY


# -- was a certificate sent? --------------------------------------------------------------------------------------


def unpinned(case: Case) -> Iterator[Likely]:
    """We have shown a raw public key, about which the peer says no more than that it does not accept it."""
    evidence = "we showed a raw public key, which has to be pinned there"
    yield case.likely(Cause.KEY_NOT_PINNED, OURS, LIKELY, evidence, detail="it did not accept our key")


def absent(case: Case) -> Iterator[Likely]:
    """A certificate was requested, and we sent none: an alert that is for that alone makes it certain."""
    seen, request = case.observed, case.request
    weight = CERTAIN if case.alert in NONE_SENT else LIKELY
    if not case.is_client or request is None or seen.shown is None or seen.shown:
        return
    named = f"; it names {certs.listed_names(request.authorities)}" if request.authorities else ""
    if not case.own_side.own:
        evidence = f"the server asked for one in the handshake{named}"
        yield case.likely(Cause.NO_CERTIFICATE, OURS, weight, evidence, detail="none was configured")
        if weight is LIKELY and case.alert in (Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_UNKNOWN):
            other = (
                "applications that refuse for the name or the address that was asked for send this alert too"
            )
            yield case.likely(Cause.LETS_NOT_IN, PEERS, POSSIBLE, other)
        return
    leaves = [ParsedCertificate(chain[0]) for chain in case.own_side.own]
    kinds = listed([described(each.key) for each in leaves])
    version = Version.TLS13 if seen.version == Version.TLS13 else Version.TLS12
    if not any(set(schemes_for(each.x509, version)) & set(request.schemes) for each in leaves):
        accepts = listed(names(SignatureScheme, request.schemes))
        detail = f"our key is {kinds}, the server accepts {accepts}"
        evidence, facts = (
            "so none of our certificates was sent",
            kinds_of_key(request.schemes, version, "server"),
        )
        yield case.likely(Cause.NO_SHARED_SCHEME, OURS, weight, evidence, detail=detail, **facts)
        return
    issuers = listed([each.issuer_text for each in leaves])
    detail = f"ours are issued by {issuers}{named}, and the wrong one of several must not be sent"
    yield case.likely(Cause.CERTIFICATE_WITHHELD, OURS, weight, detail=detail)


def certificate_not_requested(case: Case) -> Iterator[Likely]:
    """We have a certificate, and the server did not request it."""
    if case.is_client and case.request is None and case.own_side.own:
        yield case.likely(Cause.CERTIFICATE_NOT_ASKED, PEERS, LIKELY, "no CertificateRequest came")


# -- what is wrong with it? --------------------------------------------------------------------------------


def flawed(case: Case) -> Iterator[Likely]:
    """Reasons for which we would refuse our own chain: each has to be corrected; first those that fit the alert.

    Only an alert that is for one fault alone makes it certain that this was what the peer refused.
    """
    reasons = [each for each in case.own_reasons if each.fault is not Fault.NO_PATH]
    reasons.sort(key=lambda each: not _agrees(case, each))
    begins = 1 if own_issuer.is_issuer_unnamed(case) else 0
    for order, reason in enumerate(reasons, begins):
        for likely in _flaw(case, reason):
            yield replace(likely, order=order)


def fitting(case: Case) -> Iterator[Likely]:
    """The same, if the alert is sent for one of them: that is likelier than what it says of most certificates."""
    if any(_agrees(case, each) for each in case.own_reasons if each.fault is not Fault.NO_PATH):
        yield from flawed(case)


def _flaw(case: Case, reason: Reason) -> Iterator[Likely]:
    agrees = _agrees(case, reason)
    evidence = (
        "our own verification of it finds the same" if agrees else "our own verification of it finds this"
    )
    if reason.fault in (Fault.CERTIFICATE_EXPIRED, Fault.CERTIFICATE_NOT_YET_VALID):
        evidence = f"our clock says {case.situation.now:%Y-%m-%d %H:%M} UTC"
        agrees = case.alert == Alert.CERTIFICATE_EXPIRED and reason.fault is Fault.CERTIFICATE_EXPIRED
        clock = clocks.wrong_clock(case, ahead=reason.fault is Fault.CERTIFICATE_EXPIRED)
        if clock is not None and not agrees:
            yield case.likely(Cause.OUR_CLOCK, OURS, *clock)
        yield certs.cause_of(case, reason, OURS, CERTAIN if agrees else LIKELY, evidence)
        if not agrees and clocks.made_after(case, reason.facts.get("not_after")) is None:
            yield case.likely(Cause.OUR_CLOCK, OURS, *clocks.doubt(case, reason))
        return
    if reason.fault is Fault.REVOKED:
        evidence = "a CRL that we have ourselves lists it"
    is_told = agrees and case.alert in SPECIFIC
    yield certs.cause_of(case, reason, OURS, CERTAIN if is_told else LIKELY, evidence)


def _agrees(case: Case, reason: Reason) -> bool:
    """Whether the peer's alert is the one that bothways or OpenSSL sends for this reason; no alert says nothing."""
    return case.alert is not None and case.alert in (reason.fault.alert, OPENSSL_ALERTS.get(reason.fault))


# OpenSSL sends unknown_ca for an invalid CA and for an exceeded path length.
OPENSSL_ALERTS = {
    Fault.PATH_LENGTH_EXCEEDED: Alert.UNKNOWN_CA,
    Fault.NOT_A_CA: Alert.UNKNOWN_CA,
    Fault.KEY_MAY_NOT_SIGN_CERTIFICATES: Alert.UNKNOWN_CA,
    Fault.CERTIFICATE_NOT_YET_VALID: Alert.BAD_CERTIFICATE,
}


def clock(case: Case) -> Iterator[Likely]:
    """Whether our certificate may be outside its validity period by the peer's clock, though not by ours."""
    chain, now = case.chain, case.situation.now
    if not chain or not all(each.not_before <= now <= each.not_after for each in chain):
        return
    ends, begins = min(each.not_after for each in chain), max(each.not_before for each in chain)
    days = (ends - now).days
    period = f"our chain is valid from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC"
    near = case.alert in CLOCK_ALERTS and (now - begins < certs.FRESH or days < SOON_DAYS)
    is_early, is_likely = _is_early_for_openssl(case), False
    if is_early:
        period += "; OpenSSL, as which the peer lists its schemes, sends this alert for what is not yet valid"
        # Where it sent no name, it may have compared one, of which OpenSSL says the same.
        is_likely = case.is_client or own_name.is_new(case) or own_name.sent_name(case)
        if not own_name.is_new(case):
            period += f"; its clock would be at least {(now - begins).days} days behind"
    yield case.likely(Cause.PEERS_CLOCK, PEERS, LIKELY if near or is_likely else POSSIBLE, period)
    if is_early and case.is_client:
        detail = (
            "its certificate revocation list (CRL) for our CA may not be valid yet: the alert is the same"
        )
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, whose="our", detail=detail)


def clock_of_new(case: Case) -> Iterator[Likely]:
    """Of a certificate that is a few days old a clock that is behind makes one that is not yet valid."""
    if case.chain and own_name.is_new(case):
        yield from clock(case)


def _is_early_for_openssl(case: Case) -> bool:
    """Whether OpenSSL sent bad_certificate for a chain that we find sound: its clock, its level, or another name.

    A server that names no root of our chain would say unknown_ca if it verified chains: it compares certificates.
    """
    is_valid = not case.own_reasons and not own_issuer.is_issuer_unnamed(case)
    is_valid = is_valid and not any(own_issuer.partial_chain(case))
    return case.stack is Stack.OPENSSL and case.alert == Alert.BAD_CERTIFICATE and is_valid


def clients_clock(case: Case) -> Iterator[Likely]:
    """Clients have wrong clocks more often than restrictions on the servers that they accept.

    Java and GnuTLS send one alert for whatever is wrong with a certificate, and have no rules of their own about who is
    let in: what uses them refuses later, in its own protocol.
    """
    if not case.is_client or case.stack in (Stack.JAVA, Stack.GNUTLS):
        yield from clock(case)


def expired_by_alert(case: Case) -> Iterator[Likely]:
    """The peer says that our certificate expired: it or its CA did, a clock is ahead, or a CRL is out of date."""
    if not case.chain:
        date, subject = "a date that the peer knows", "a certificate of ours"
        yield case.likely(Cause.EXPIRED, OURS, POSSIBLE, date=date, subject=subject)
        return
    yield from anchor_expired(case)
    found = [case.likely(each.cause, each.party, LIKELY, each.evidence) for each in clock(case)]
    anchor = _anchor_may_have_expired(case)
    if not case.is_client:  # clients have CRLs seldom
        found.append(anchor)
    if case.stack is not Stack.GO:  # which has no CRLs
        found.insert(0 if _lasts_long(case) else len(found), _outdated_list(case))
    yield from (*found, anchor)


def _anchor_may_have_expired(case: Case) -> Likely:
    """The alert is the same where the CA certificate expired that the peer trusts us by."""
    last = case.chain[-1]
    known = certs.certificates_of_issuer(last, case.own_side.anchors, case.own_certificates, case.peer_chain)
    evidence = "" if known else "the alert is the same for that, and we do not have its certificate"
    facts = {"issuer": last.issuer_text, "date": f"a date that the {case.role.peer} knows"}
    return case.likely(Cause.ANCHOR_EXPIRED, PEERS, POSSIBLE if known else LIKELY, evidence, **facts)


def _outdated_list(case: Case) -> Likely:
    """OpenSSL sends the same alert for an expired CRL as for an expired certificate."""
    openssl = case.is_client and case.stack is Stack.OPENSSL
    evidence = (
        "OpenSSL, as which it lists its schemes, sends this alert for an outdated CRL too: its log tells"
    )
    detail = "its certificate revocation list (CRL) for our CA may be out of date; OpenSSL sends that alert for it too"
    weight, seen = (LIKELY, evidence) if openssl else (POSSIBLE, "")
    return case.likely(Cause.STATUS_UNKNOWN, PEERS, weight, seen, whose="our", detail=detail)


def _lasts_long(case: Case) -> bool:
    """Whether a server's clock would have to be ahead by more than months for our chain to have expired by it."""
    ends = min(each.not_after for each in case.chain)
    return case.is_client and (ends - case.situation.now).days > LONG_DAYS


def anchor_expired(case: Case) -> Iterator[Likely]:
    """The certificate of the CA above our chain, as we have it, expired: the peer may have no newer one.

    Java does not look at the validity period of a trust anchor, and OpenSSL has an alert for that alone.
    """
    if not case.chain or case.stack is Stack.JAVA:
        return
    if case.stack is Stack.OPENSSL and case.alert not in (None, Alert.CERTIFICATE_EXPIRED):
        return
    last, now = case.chain[-1], case.situation.now
    anchors = certs.certificates_of_issuer(last, case.own_side.anchors)
    known = certs.certificates_of_issuer(last, case.own_side.anchors, case.own_certificates, case.peer_chain)
    expired = next((each for each in known if each.not_after < now and each.der != last.der), None)
    if expired is None:
        return
    if expired.der in {each.der for each in anchors}:
        where = f"the one of that name in {case.own_side.files.ca} did"
    else:
        sent = expired.der in {each.der for each in case.peer_chain}
        where = f"the one that the {case.role.peer} sends did" if sent else "the one in our own file did"
    weight = POSSIBLE if any(each.not_after >= now for each in known) else LIKELY
    date = f"{expired.not_after:%Y-%m-%d %H:%M} UTC"
    yield case.likely(Cause.ANCHOR_EXPIRED, PEERS, weight, where, issuer=expired.subject_text, date=date)


def status(case: Case) -> Iterator[Likely]:
    """A server may be unable to determine the revocation status of our certificate; Java does not ask by default."""
    if case.chain and case.is_client and case.stack is not Stack.JAVA:
        detail = "it may have no current certificate revocation list (CRL), or reach no OCSP responder"
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, whose="our", detail=detail)


def status_untold(case: Case) -> Iterator[Likely]:
    """Servers whose alerts we do not know may say bad_certificate of an unknown status, as Erlang does."""
    if case.stack in (None, Stack.GNUTLS) and case.alert == Alert.BAD_CERTIFICATE and not case.own_reasons:
        yield from status(case)


def revoked(case: Case) -> Iterator[Likely]:
    """The peer says that our certificate is revoked."""
    yield revoked_by(case, LIKELY, "the peer's certificate revocation list (CRL) or OCSP responder says so")


def perhaps_revoked(case: Case) -> Iterator[Likely]:
    """Our chain is valid as far as we can check; what we cannot check is the peer's CRL."""
    if case.chain and not case.own_reasons and not own_issuer.is_issuer_unnamed(case):
        yield revoked_by(case, POSSIBLE, "")


def revoked_for_gnutls(case: Case) -> Iterator[Likely]:
    """Clients with GnuTLS close, or send bad_certificate, whatever is wrong: also where a certificate is revoked."""
    if not case.is_client and case.stack is Stack.GNUTLS and case.alert in (None, Alert.BAD_CERTIFICATE):
        yield from perhaps_revoked(case)


def revoked_by(case: Case, weight: Weight, evidence: str) -> Likely:
    """Return that our certificate is revoked, or its CA: no peer says which certificate of a chain is."""
    if len(case.chain) < 2:
        return case.likely(Cause.REVOKED, OURS, weight, evidence)
    subject = f"our certificate, or the CA {shown(case.chain[0].issuer_text)} that issued it,"
    return case.likely(
        Cause.REVOKED, OURS, weight, evidence, subject=subject, by=" (by another CA, if it is the CA)"
    )


def wrong_use(case: Case) -> Iterator[Likely]:
    """The peer says that our certificate is of the wrong kind.

    Of the certificate itself our own verification finds that, which `flawed` says; a CA that we do not have may be.
    """
    leaf = case.chain[0] if case.chain else None
    usage = "clientAuth" if case.is_client else "serverAuth"
    facts = {"wanted": usage, "usage": usage, "got": "something else", "also": certs.WHERE_ISSUED[usage]}
    if leaf is None:
        yield case.likely(Cause.WRONG_USE, OURS, POSSIBLE, **facts)
    elif Fault.WRONG_EXTENDED_KEY_USAGE not in {each.fault for each in case.own_reasons}:
        yield case.likely(Cause.WRONG_USE, OURS, POSSIBLE, **facts, subject=ABOVE, above=True)
    if leaf is None or certs.may_not_sign(leaf):
        yield case.likely(Cause.WRONG_KEY_USAGE, OURS, POSSIBLE, wanted="digitalSignature")
    version = Version.TLS13 if case.observed.version == Version.TLS13 else Version.TLS12
    if leaf is None or not set(schemes_for(leaf.x509, version)) & set(case.peer_schemes):
        kind = f"our {described(leaf.key)}" if leaf is not None else "ours"
        yield case.likely(
            Cause.NO_SHARED_SCHEME, OURS, POSSIBLE, detail=f"it accepts another kind than {kind}"
        )


ABOVE = "a CA above our certificate"


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


def not_authorized(case: Case) -> Iterator[Likely]:
    """Our certificate is valid, and its holder is not authorized."""
    if not case.is_client and case.alert != Alert.ACCESS_DENIED and not _has_spiffe_id(case.chain):
        return  # clients compare names, and have no lists of servers
    if case.chain and not case.own_reasons and not own_issuer.is_issuer_unnamed(case):
        named = case.request is not None and certs.is_named(case.chain, case.request.authorities)
        evidence = "our own verification finds nothing wrong with it" + (
            ", and the server names its CA" if named else ""
        )
        by_function = case.alert == Alert.INTERNAL_ERROR and not (case.request and case.request.authorities)
        if by_function:
            evidence += (
                f"; applications that refuse a {case.role.peer} by a function of their own send this alert"
            )
        weight = LIKELY if by_function and case.is_client else POSSIBLE  # clients compare names rather
        yield case.likely(Cause.NOT_LET_IN, OURS, weight, evidence, subject=_holder(case.chain[0]))


def _has_spiffe_id(chain: Sequence[ParsedCertificate]) -> bool:
    return any(each.startswith(SPIFFE) for leaf in chain[:1] for each in names_of(leaf).uri)


def _holder(leaf: ParsedCertificate) -> str:
    """Return who our certificate is for: its SPIFFE ID, since subjects beside it are often alike, or its subject."""
    uris = names_of(leaf).uri
    return uris[0] if len(uris) == 1 and uris[0].startswith(SPIFFE) else leaf.subject_text


def refused_by_gnutls(case: Case) -> Iterator[Likely]:
    """GnuTLS sends access_denied for every certificate that it does not accept, and does not authorize by itself."""
    if case.stack is Stack.GNUTLS:
        yield from anchor_expired(case)
        yield from clock(case)  # for which the dates speak; nothing speaks for a revocation
        yield from perhaps_revoked(case)
        if case.chain and own_strength.bits(case.chain[0]) < own_strength.STRICT_RSA_BITS:
            yield from own_strength.weak_key(case)


def no_known_reason(case: Case) -> Iterator[Likely]:
    """No reason against our certificate is known, and it was refused: not where none was sent."""
    if case.observed.shown != ():
        yield case.likely(Cause.NOT_ACCEPTED, OURS, POSSIBLE)
