"""Whether a peer finds a path from our chain to a CA of its own: the issuer, missing certificates, the depth."""

from __future__ import annotations

from collections.abc import Iterator

from bothways.diagnosis import certificates as certs
from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.stacks import Stack
from bothways.iana import Alert
from bothways.trust.names.distinguished import dn_text
from bothways.trust.path.chain_links import is_self_signed

CERTAIN, LIKELY, POSSIBLE = Weight.CERTAIN, Weight.LIKELY, Weight.POSSIBLE
OURS, PEERS = Party.OURS, Party.PEERS
# Alerts by which TLS implementations refuse a CA that they do not trust.
CERTIFICATE_ALERTS = (
    Alert.UNKNOWN_CA,
    Alert.BAD_CERTIFICATE,
    Alert.CERTIFICATE_UNKNOWN,
    Alert.HANDSHAKE_FAILURE,
)
USUAL_DEPTH = 2  # a leaf and one intermediate
APACHES_DEPTH = 1  # a leaf, and the root that it does not send


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
    if len(chain) == 1 and is_self_signed(last):
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
    if (found := certs.mixed_with(name, [dn_text(each) for each in named])) is not None:
        mixed = f"our certificate is of {found[0]}, the server of {found[1]}"
        yield case.likely(Cause.WRONG_ENVIRONMENT, OURS, LIKELY, seen, detail=mixed)
    elif (related := _above(case, [dn_text(each) for each in named])) is not None:
        evidence = f"{seen}; {related} seems to have issued it"
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, LIKELY, evidence, issuer=name)
    yield case.likely(Cause.CA_NOT_ACCEPTED, OURS, LIKELY, seen, detail=detail)
    if not certs.is_root(name):
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, POSSIBLE, issuer=name)


def _above(case: Case, named: list[str]) -> str | None:
    """Return a CA that issued the end of our chain, by our trust anchors and by the names, or ""."""
    last = case.chain[-1]
    anchor, signed = certs.knows(case.own_side.anchors, last)
    if anchor is not None and signed:
        return None if anchor.is_self_issued else anchor.issuer_text
    intermediate_in = certs.intermediate_in(last, case.own_certificates, case.peer_chain)
    if (
        intermediate_in is not None
        and case.request is not None
        and certs.is_named((intermediate_in,), case.request.authorities)
    ):
        return intermediate_in.issuer_text
    return None if last.is_self_issued else certs.relative(last.issuer_text, named)


def _issuer_named(case: Case, sent: str) -> Iterator[Likely]:
    """The server names our CA, and finds no path: another key of that name, no root above it, or no CRL."""
    last = case.chain[-1]
    name = last.issuer_text
    anchor, signed = certs.knows(case.own_side.anchors, last)
    named = case.request.authorities if case.request is not None else ()
    found = certs.highest_named(case.chain, named)
    seen = f"{sent}; the server names {found}"
    if anchor is not None and not signed:
        yield from namesake(case, seen)
    elif case.alert == Alert.UNKNOWN_CA:
        yield from partial_chain(case)
        is_deep = list(chain_too_long(case))
        yield from (each for each in is_deep if each.weight is LIKELY)
        yield _no_crl(case, POSSIBLE, seen)
        yield case.likely(Cause.CA_REPLACED, OURS, POSSIBLE, seen, issuer=name)
        yield from is_deep
        yield case.likely(Cause.PATH_TOO_LONG, OURS, POSSIBLE)


def namesake(case: Case, seen: str = "") -> Iterator[Likely]:
    """Our own trust anchor has the name of our certificate's issuer and another key, as of another cluster.

    seen: what else was seen of it.
    """
    if not case.chain:
        return
    last = case.chain[-1]
    anchor, signed = certs.knows(case.own_side.anchors, last)
    if anchor is not None and not signed:
        seen = seen or f"we sent {certs.described(case.chain)}"
        evidence = f"{seen}; the CA of that name that we trust did not sign it"
        yield case.likely(Cause.CA_REPLACED, OURS, LIKELY, evidence, issuer=last.issuer_text)


def partial_chain(case: Case) -> Iterator[Likely]:
    """The server names our intermediate and not its issuer: OpenSSL accepts no intermediate as a trust anchor."""
    named = case.request.authorities if case.request is not None else ()
    found = certs.highest_named(case.chain, named)
    if found is None:
        return
    above = certs.above_named(case.chain, found, case.own_side.anchors)
    if above is not None and not certs.is_among(above, named):
        evidence = f"it names {found}, which {above} issued, and does not name that"
        yield case.likely(Cause.PARTIAL_CHAIN, PEERS, LIKELY, evidence, issuer=found)


def chain_too_long(case: Case) -> Iterator[Likely]:
    """The chain has intermediates and is valid: the limit of the peer may be lower.

    Apache sends internal_error for that, OpenSSL unknown_ca, as it does where it has no CRL. By default nginx accepts
    one intermediate, and Apache, which counts the root too, none.
    """
    count = len(case.chain)
    by_apache = case.alert == Alert.INTERNAL_ERROR
    if (count < USUAL_DEPTH and not by_apache) or case.own_reasons or is_issuer_unnamed(case):
        return
    usual = count <= (APACHES_DEPTH if by_apache else USUAL_DEPTH)
    evidence = f"we sent {_counted(count)}, and our own verification finds nothing wrong"
    if case.alert == Alert.UNKNOWN_CA:
        evidence += (
            "; OpenSSL sends the same alert for a depth limit and for a missing CRL: the log tells which"
        )
    names_none = case.request is None or not case.request.authorities
    if by_apache and names_none:  # which names the CAs that it trusts: applications refuse by that alert too
        usual = True
    weight = LIKELY if case.is_client and not usual else POSSIBLE
    yield case.likely(Cause.DEPTH_LIMIT, PEERS, weight, evidence, detail=DEPTHS)


def beyond_a_limit(case: Case) -> Iterator[Likely]:
    """Java (10 certificates by default) and Erlang ({depth, N}) send handshake_failure for a longer chain."""
    count = len(case.chain)
    if count < USUAL_DEPTH or case.stack not in (Stack.JAVA, None) or is_issuer_unnamed(case):
        return
    if case.stack is Stack.JAVA:
        who, detail, longer = "Java sends", OF_JAVA, LONGER_IN_JAVA
    else:
        who, detail = "Erlang and Java send", f"{OF_ERLANG}; {OF_JAVA}"
        longer = f"{LONGER_IN_ERLANG}, {LONGER_IN_JAVA}"
    evidence = f"we sent {_counted(count)}; {who} this alert for a chain beyond their limit"
    yield case.likely(Cause.DEPTH_LIMIT, PEERS, POSSIBLE, evidence, detail=detail, longer=longer)


OF_ERLANG = "with a depth of 0 Erlang accepts no intermediate"
LONGER_IN_ERLANG, LONGER_IN_JAVA = "Erlang `depth` 3", "Java `-Djdk.tls.maxCertificateChainLength=10`"
OF_JAVA = "jdk.tls.maxCertificateChainLength, or that for inbound chains, may be lower than its default of 10"


def _counted(certificates: int) -> str:
    return "one certificate" if certificates == 1 else f"{certificates} certificates"


def _no_crl(case: Case, weight: Weight, evidence: str = "") -> Likely:
    """OpenSSL that checks revocation, and has no CRL of our CA, sends unknown_ca."""
    return case.likely(Cause.STATUS_UNKNOWN, PEERS, weight, evidence, whose="our", detail=NO_LIST)


DEPTHS = "with ssl_verify_depth 1 nginx accepts one intermediate, with SSLVerifyDepth 1 Apache none"
NO_LIST = "it may lack the current certificate revocation list (CRL) of our CA; OpenSSL sends the same alert for that"


def _issuer_unnamed(case: Case, sent: str) -> Iterator[Likely]:
    """The peer does not name its CAs: only our own side is known."""
    if case.stack is Stack.OPENSSL and case.alert == Alert.BAD_CERTIFICATE:
        return  # it sends unknown_ca for every issuer that it does not find
    last = case.chain[-1]
    name = last.issuer_text
    anchor, signed = certs.knows(case.own_side.anchors, last)
    detail = f"{name} is not one of its trust anchors, or not for this use"
    if anchor is not None and signed and not anchor.is_self_issued:
        evidence = f"{sent}, itself an intermediate, which we did not send"
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, LIKELY, evidence, issuer=name)
    elif certs.intermediate_in(last, case.own_certificates, case.peer_chain) is not None:
        evidence = f"{sent}, an intermediate, which we did not send"
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, LIKELY, evidence, issuer=name)
    elif len(case.chain) == 1 and certs.has_issuer_url(last):
        evidence = f"{sent}; it says where that CA's certificate can be fetched, which few peers do"
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, LIKELY, evidence, issuer=name)
    elif certs.is_intermediate(name):
        yield case.likely(
            Cause.INTERMEDIATE_MISSING, OURS, LIKELY, f"{sent}, an intermediate by its name", issuer=name
        )
    weight = LIKELY if case.alert in CERTIFICATE_ALERTS else POSSIBLE
    yield case.likely(Cause.CA_NOT_ACCEPTED, OURS, weight, sent, detail=detail)
    known_root = certs.is_root(name) or (anchor is not None and signed and anchor.is_self_issued)
    if len(case.chain) == 1 and not known_root:
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, POSSIBLE, issuer=name)
    if case.alert == Alert.UNKNOWN_CA and case.stack is Stack.OPENSSL:
        yield _no_crl(case, POSSIBLE)
        yield from chain_too_long(case)
