"""What may be wrong with us in the peer's eyes: rules about our certificate, our hello and our clock.

A rule looks at one question and yields the causes that it finds, with what speaks for them.
"""

from __future__ import annotations

from collections.abc import Iterator

from bothways.describe.messages import listed, version
from bothways.diagnosis import certificates as certs
from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.faults import Fault, shown
from bothways.iana import Alert, CipherSuite, NamedGroup, SignatureScheme, names
from bothways.roles import Version
from bothways.tls.crypto.signing import SCHEMES, described, schemes_for
from bothways.tls.handshake.settings import PREFERRED_GROUPS, SUITES, VERSIONS
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
    """What our own trust would refuse our chain for."""
    alert = case.alert
    for reason in case.own_reasons:
        if reason.fault is Fault.NO_PATH:
            continue
        agrees = alert is not None and alert == reason.fault.alert
        others = certs.clock_witnesses(case, ahead=reason.fault is Fault.CERTIFICATE_EXPIRED)
        evidence = "our own check of it finds the same" if agrees else "our own check of it finds this"
        if reason.fault in (Fault.CERTIFICATE_EXPIRED, Fault.CERTIFICATE_NOT_YET_VALID):
            evidence = f"our clock says {case.situation.now:%Y-%m-%d %H:%M} UTC"
            if "every CA that we trust" in others:
                word = "expired" if reason.fault is Fault.CERTIFICATE_EXPIRED else "not yet valid"
                yield case.likely(
                    Cause.OUR_CLOCK, OURS, LIKELY, f"by it every CA that we trust is {word} too"
                )
        yield certs.cause_of(case, reason, OURS, CERTAIN if agrees else LIKELY, evidence)


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
    """The server names our CA, and yet finds no path: another key of that name, or no list of it."""
    last = case.chain[-1]
    name = last.issuer_text
    anchor, signed = certs.knows(case.ours.anchors, last)
    seen = f"{sent}, which the server names"
    if anchor is not None and not signed:
        evidence = f"{seen}; the CA of that name that we trust did not sign it"
        yield case.likely(Cause.CA_REPLACED, OURS, LIKELY, evidence, issuer=name)
    elif case.alert == Alert.UNKNOWN_CA:
        weight = POSSIBLE if case.own_reasons else LIKELY
        detail = "it may lack the current revocation list of our CA, which OpenSSL tells by the same alert"
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, weight, seen, whose="our", detail=detail)
        yield case.likely(Cause.CA_REPLACED, OURS, POSSIBLE, issuer=name)
        yield case.likely(Cause.PATH_TOO_LONG, OURS, POSSIBLE)


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
    if len(case.chain) == 1:
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
    """The peer says that our certificate is expired: it is, or its clock runs ahead, or its list is old."""
    for each in clock(case):
        yield case.likely(each.cause, each.party, LIKELY, each.evidence)
    if case.chain:
        detail = "its revocation list for our CA may be past its time, which OpenSSL tells by the same alert"
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, whose="our", detail=detail)
    yield case.likely(
        Cause.EXPIRED, OURS, POSSIBLE, date="a date that the peer knows", subject="a certificate of ours"
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
        wanted = "the address that the client connected to"
        got = _names(case)
        yield case.likely(
            Cause.WRONG_NAME,
            OURS,
            POSSIBLE,
            "it asked for no name: it connected by address",
            got=got,
            wanted=wanted,
        )


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
    if case.chain and not case.own_reasons:
        named = case.request is not None and certs.is_named(case.chain, case.request.authorities)
        evidence = "our own check finds nothing wrong with it" + (
            ", and the server names its CA" if named else ""
        )
        yield case.likely(Cause.NOT_LET_IN, OURS, POSSIBLE, evidence, subject=case.chain[0].subject_text)


def unsaid(case: Case) -> Iterator[Likely]:
    """Nothing that we know of speaks against our certificate, and yet it was refused."""
    if case.chain:
        yield case.likely(Cause.NOT_ACCEPTED, OURS, POSSIBLE)


# -- our hello ---------------------------------------------------------------------------------------------


def versions(case: Case) -> Iterator[Likely]:
    """Whether we offer fewer versions than we could."""
    offered = listed([version(code) for code in case.ours.versions])
    if case.ours.versions and len(case.ours.versions) < len(VERSIONS):
        detail = f"we offer {offered} alone"
        yield case.likely(
            Cause.NO_SHARED_VERSION, OURS, LIKELY, "our configuration leaves out the other", detail=detail
        )
    else:
        detail = f"we offer {offered or 'TLS 1.3 and 1.2'}, it has older ones alone"
        yield case.likely(Cause.NO_SHARED_VERSION, PEERS, POSSIBLE, detail=detail)


def suites(case: Case) -> Iterator[Likely]:
    """Whether we offer fewer suites than we could, or the server has dated ones alone."""
    offered = names(CipherSuite, case.ours.suites)
    if case.ours.suites and _leaves_out(case, offered):
        detail, evidence = f"we offer {listed(offered)}", "our configuration leaves others out"
        yield case.likely(Cause.NO_SHARED_SUITE, OURS, LIKELY, evidence, detail=detail)
    if not any(each.startswith("TLS_RSA_") for each in offered):
        yield case.likely(Cause.ONLY_KEY_TRANSPORT, OURS, POSSIBLE)
    detail = "it has dated ones alone, with CBC or without forward secrecy"
    yield case.likely(Cause.NO_SHARED_SUITE, PEERS, POSSIBLE, detail=detail)


def _leaves_out(case: Case, offered: list[str]) -> bool:
    """Whether suites are left out of a version that we speak."""
    versions = {
        Version.TLS12 if "_WITH_" in each else Version.TLS13 for each in SUITES if each not in offered
    }
    return any(each in case.ours.versions for each in versions)


def groups(case: Case) -> Iterator[Likely]:
    """Whether we offer fewer groups than we could."""
    offered = names(NamedGroup, case.ours.groups)
    missing = [each for each in PREFERRED_GROUPS if each not in offered]
    if case.ours.groups and missing:
        detail = f"we offer {listed(offered)}"
        evidence = f"our configuration leaves out {listed(missing)}"
        yield case.likely(Cause.NO_SHARED_GROUP, OURS, LIKELY, evidence, detail=detail)
    else:
        yield case.likely(Cause.NO_SHARED_GROUP, PEERS, POSSIBLE, detail="it has rare ones alone")


def schemes(case: Case) -> Iterator[Likely]:
    """Whether we offer too few schemes for the server's key."""
    if case.ours.schemes and set(case.ours.schemes) < set(SCHEMES):
        detail = f"we accept {listed(names(SignatureScheme, case.ours.schemes))}"
        evidence = "our configuration leaves others out"
        yield case.likely(Cause.NO_SHARED_SCHEME, PEERS, LIKELY, evidence, detail=detail, other="our side")
    else:
        yield case.likely(Cause.NO_SHARED_SCHEME, PEERS, POSSIBLE, detail="it is of a rare kind")


def protocols(case: Case) -> Iterator[Likely]:
    """ALPN."""
    ours = [each.decode("utf-8", "replace") for each in case.ours.protocols]
    detail = f"we offer {listed(ours)}"
    yield case.likely(Cause.NO_SHARED_PROTOCOL, OURS, CERTAIN if ours else LIKELY, detail=detail)


def name(case: Case) -> Iterator[Likely]:
    """The name that we asked for, or that we asked for none."""
    asked = case.ours.server_name
    if not case.is_client:
        return
    if certs.is_address(asked):
        yield case.likely(Cause.NO_NAME_SENT, OURS, LIKELY, name=asked)
    else:
        yield case.likely(Cause.NAME_NOT_SERVED, OURS, POSSIBLE, name=asked or "that we asked for")


def name_certainly(case: Case) -> Iterator[Likely]:
    """The server says that it does not know the name."""
    for each in name(case):
        yield case.likely(
            each.cause, each.party, CERTAIN, "that is what the alert says", name=each.facts["name"]
        )


def large_hello(case: Case) -> Iterator[Likely]:
    """A hello with a post-quantum share takes two packets, which some devices do not bear."""
    shares = [NamedGroup(code).name for code in case.ours.shares if "MLKEM" in NamedGroup(code).name]
    if shares:
        yield case.likely(
            Cause.LARGE_HELLO,
            BETWEEN,
            POSSIBLE,
            f"ours carries a share for {listed(shares)}, more than 1 KiB",
        )
