"""The rules by which a service's reply leads to causes: what was requested and sent counts before what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bothways.diagnosis import network, own_hello, own_issuer, own_side
from bothways.diagnosis.case import Case, Rule, one
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.near_names import is_address
from bothways.diagnosis.service_reply import ServiceRefusal, ServiceReply
from bothways.diagnosis.service_texts import LOGINS, Meaning, match_text
from bothways.faults import shown
from bothways.roles import Version

OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN
LIKELY, POSSIBLE = Weight.LIKELY, Weight.POSSIBLE
SKEW_SECONDS = 120


def _reply(case: Case) -> ServiceReply:
    return case.error.reply if isinstance(case.error, ServiceRefusal) else ServiceReply("", None)


def _answers(case: Case) -> str:
    return f"it answers {shown(_reply(case).text)}"


def by_status(case: Case) -> Iterator[Likely]:
    """The service refuses, and its status is all that is known."""
    yield case.likely(Cause.REFUSED_BY_SERVICE, PEERS, LIKELY, _answers(case))


def _clocks(case: Case) -> Iterator[Likely]:
    """The server sends its time: our certificate may not be valid by it, though it is by our clock."""
    reply, chain, now = _reply(case), case.chain, case.situation.now
    if reply.date is None or not chain or abs((reply.date - now).total_seconds()) <= SKEW_SECONDS:
        return
    if reply.meaning not in (Meaning.CERTIFICATE_WRONG, Meaning.CERTIFICATE_EXPIRED):
        return
    outside = any(not each.not_before <= reply.date <= each.not_after for each in chain)
    inside = all(each.not_before <= now <= each.not_after for each in chain)
    if outside and inside:
        evidence = (
            f'its answer says "Date: {reply.date:%Y-%m-%d %H:%M} UTC", when our certificate is not valid'
        )
        yield case.likely(Cause.PEERS_CLOCK, PEERS, LIKELY, evidence)


def _unsent(case: Case) -> Iterator[Likely]:
    if case.request is None and case.own_side.own:
        yield from _certificate_not_requested(case)
    elif not case.chain:
        yield case.likely(Cause.NO_CERTIFICATE, OURS, LIKELY, "the server says so", detail="none was sent")


def _absent(case: Case) -> Iterator[Likely]:
    """As in the handshake, but a service may have other reasons: no cause is certain."""
    for each in own_side.absent(case):
        yield case.likely(each.cause, each.party, LIKELY, each.evidence, **dict(each.facts))


def _perhaps_absent(case: Case) -> Iterator[Likely]:
    """Its answer is the same whether a certificate is missing or something else."""
    yield from (replace(each, weight=POSSIBLE) for each in _absent(case))


def _perhaps_later(case: Case) -> Iterator[Likely]:
    """A web server that requested no certificate may want one for some paths alone; its answer does not say so."""
    if _is_http(case):
        yield from (replace(each, weight=POSSIBLE) for each in _certificate_not_requested(case))


def _certificate_not_requested(case: Case) -> Iterator[Likely]:
    """It requires a certificate, and did not request one in the handshake."""
    if case.is_client and case.request is None:
        evidence = "no CertificateRequest came in the handshake"
        weight = LIKELY if case.own_side.own else POSSIBLE
        yield case.likely(Cause.WANTS_CERTIFICATE_LATER, PEERS, weight, evidence)


def _later(case: Case) -> Iterator[Likely]:
    later = "--post-handshake" if case.observed.version == Version.TLS13 and case.own_side.own else ""
    yield case.likely(Cause.WANTS_CERTIFICATE_LATER, PEERS, LIKELY, "the server says so", later=later)


def _http1(case: Case) -> Iterator[Likely]:
    """It ends a request of HTTP/2, in which nobody is authenticated after the handshake (RFC 9113 9.2.1, 9.2.3)."""
    yield case.likely(Cause.HTTP1_REQUIRED, OURS, LIKELY, _answers(case))
    evidence = (
        "Apache answers so where a certificate is required for some paths alone, which HTTP/2 does not allow"
    )
    yield case.likely(Cause.WANTS_CERTIFICATE_LATER, PEERS, POSSIBLE, evidence)


def _untrusted(case: Case) -> Iterator[Likely]:
    """A service that names its CAs without ours refuses for that, whatever its text says."""
    if not _reply(case).verifies:
        yield from own_issuer.unnamed_issuer(case)


def _issuer(case: Case) -> Iterator[Likely]:
    """Not where the handshake that succeeded shows that our CA is trusted."""
    if not _reply(case).verifies:
        yield from own_issuer.issuer(case)


def _namesake(case: Case) -> Iterator[Likely]:
    """Not where the handshake that succeeded shows that our CA is trusted."""
    if not _reply(case).verifies:
        yield from own_issuer.namesake(case)


def _no_list(case: Case) -> Iterator[Likely]:
    """It got our certificate and calls it none, as Dovecot does, which requires a CRL of each CA by default."""
    if case.chain and not _is_http(case) and not case.own_reasons and not own_issuer.is_issuer_unnamed(case):
        evidence = (
            "it got our certificate, and calls it none that is valid; Dovecot does so where it has no CRL"
        )
        detail = f"{LISTS}, which Dovecot requires unless ssl_require_crl is no"
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, evidence, whose="our", detail=detail)


def _sent_none_behind(case: Case) -> Iterator[Likely]:
    """nginx says it of a request without a certificate: it asked a proxy where it did not ask us, or got ours."""
    if _is_http(case) and _NONE_SENT.search(_reply(case).text):
        if case.chain:
            evidence = (
                "it says that none was sent, and we sent ours, so that it speaks of a connection of its own"
            )
            yield case.likely(Cause.FORWARDED_WITHOUT_CERTIFICATE, PEERS, LIKELY, evidence)
        elif _asked_for_none(case):
            evidence = "nginx says it only where it asked for a certificate, and nobody asked us"
            yield case.likely(Cause.FORWARDED_WITHOUT_CERTIFICATE, PEERS, LIKELY, evidence)


def _asked_for_none(case: Case) -> bool:
    """Whether it requested no certificate of us in a whole handshake; where a session is resumed it requests none."""
    return case.is_client and case.request is None and "Certificate" in case.observed.received


_NONE_SENT = re.compile(r"no required (?:ssl|tls) certificate was sent", re.IGNORECASE)


def _by_address(case: Case) -> Iterator[Likely]:
    """Its answer speaks of the address that we come from, which no certificate changes."""
    yield case.likely(Cause.LETS_NOT_IN, PEERS, LIKELY, _answers(case))


def _behind_a_proxy(case: Case) -> Iterator[Likely]:
    """Where our certificate has no fault that is known, it may speak of one that a proxy in between has sent."""
    if case.chain and _is_http(case) and not case.own_reasons and not own_issuer.is_issuer_unnamed(case):
        yield case.likely(Cause.FORWARDED_WITHOUT_CERTIFICATE, PEERS, POSSIBLE)


def _login_named(case: Case) -> Iterator[Likely]:
    """It names the schemes of the credentials that it requires (RFC 9110 11.6.1)."""
    schemes = _reply(case).login
    if schemes:
        yield case.likely(Cause.WANTS_LOGIN, OURS, LIKELY, f"it names {schemes}")


def _login(case: Case) -> Iterator[Likely]:
    reply = _reply(case)
    evidence = "its answer mentions credentials, and no certificate"
    if _is_http(case) and match_text(reply.text, LOGINS) is None:
        evidence = (
            f"its status, {reply.status}, means that credentials are missing or not accepted; it names none"
        )
    yield case.likely(Cause.WANTS_LOGIN, OURS, POSSIBLE if _is_http(case) else LIKELY, evidence)


def _perhaps_login(case: Case) -> Iterator[Likely]:
    """Brokers send one code for a client that may not and for one without a user name and a password."""
    evidence = "it sends the same code where a user name and a password are missing"
    yield case.likely(Cause.WANTS_LOGIN, OURS, POSSIBLE, evidence)


def _proxy_login(case: Case) -> Iterator[Likely]:
    evidence = f"it names {_reply(case).login}" if _reply(case).login else "that is what the status says"
    yield case.likely(Cause.PROXY_WANTS_LOGIN, BETWEEN, LIKELY, evidence)


def _is_http(case: Case) -> bool:
    return _reply(case).status is not None


def _backend(case: Case) -> Iterator[Likely]:
    yield case.likely(Cause.BACKEND_DOWN, PEERS, LIKELY, _answers(case))


def _busy(case: Case) -> Iterator[Likely]:
    yield case.likely(Cause.SERVICE_BUSY, PEERS, LIKELY, _answers(case))


def _as_the_answer_says(case: Case) -> Iterator[Likely]:
    """It names a certificate's issuer as the reason, and its CAs are not known: its text is the only evidence."""
    for each in own_issuer.issuer(case):
        yield replace(each, weight=LIKELY) if each.cause is Cause.CA_NOT_ACCEPTED else each


def _not_told_apart(case: Case) -> Iterator[Likely]:
    """Servers that verify with OpenSSL and respond with a page send the same text for every reason."""
    if not case.chain or case.own_reasons or own_issuer.is_issuer_unnamed(case):
        return
    how = "its answer is the same for each of these; nginx writes which it was to its error log"
    yield own_side.revoked_by(case, POSSIBLE, how)
    detail = f"{LISTS}, or reach no OCSP responder"
    yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, how, whose="our", detail=detail)
    if len(case.chain) == own_issuer.USUAL_DEPTH:
        detail = "nginx accepts no intermediate where ssl_verify_depth is 0"
        yield case.likely(Cause.DEPTH_LIMIT, PEERS, POSSIBLE, how, detail=detail)
    facts = {"issuer": case.chain[-1].issuer_text, "date": f"a date that the {case.role.peer} knows"}
    yield case.likely(Cause.ANCHOR_EXPIRED, PEERS, POSSIBLE, how, **facts)


LISTS = "it may have no current certificate revocation list (CRL) of each CA of our chain"


def _expired(case: Case) -> Iterator[Likely]:
    yield case.likely(
        Cause.EXPIRED, OURS, POSSIBLE, date="a date that the server knows", subject="our certificate"
    )


def _no_protocol(case: Case) -> Iterator[Likely]:
    """It serves HTTP/2 alone, and answers a client with which it has agreed no protocol in HTTP/1."""
    if case.is_client and case.observed.protocol is None:
        detail = "we offer none, and it serves HTTP/2 alone"
        evidence = "that is what the answer says"
        yield case.likely(Cause.NO_SHARED_PROTOCOL, OURS, LIKELY, evidence, detail=detail, offer="h2")


def _name(case: Case) -> Iterator[Likely]:
    for each in own_hello.name(case):
        yield case.likely(
            each.cause, each.party, LIKELY, "that is what the answer says", name=each.facts["name"]
        )


def _misdirected(case: Case) -> Iterator[Likely]:
    """The request's authority is not of this connection (RFC 9110 15.5.20): which name selected it, we know."""
    asked = case.own_side.server_name
    if is_address(asked):
        yield from _name(case)
    evidence = (
        "its answer says that this host belongs to another route or certificate than the connection has"
    )
    sent = "it has none" if is_address(asked) or asked is None else f"that is {asked}"
    yield case.likely(Cause.MISDIRECTED, OURS, LIKELY, evidence, detail=sent)


def _no_such_host(case: Case) -> Iterator[Likely]:
    """XMPP names a host within the stream (RFC 6120 4.9.3.6), whatever the server name of the connection is."""
    name = "to which our stream is addressed (its attribute `to`)"
    evidence = f"{_answers(case)}, which is about the stream and not about TLS"
    yield case.likely(Cause.NAME_NOT_SERVED, OURS, LIKELY, evidence, name=name, no_command=True)


def _elsewhere(case: Case) -> Iterator[Likely]:
    detail = "another server of its cluster performs this request"
    yield case.likely(Cause.OTHER_SERVICE, OURS, LIKELY, _answers(case), detail=detail)


def _blocked(case: Case) -> Iterator[Likely]:
    evidence = "its answer is that of a filter for requests, such as a web application firewall"
    yield case.likely(Cause.LETS_NOT_IN, PEERS, LIKELY, evidence)


def _too_large(case: Case) -> Iterator[Likely]:
    reply = _reply(case)
    what = TOO_LONG.get(reply.status or 0, "its header fields, such as cookies or a token")
    if reply.status not in TOO_LONG and case.chain:
        what += "; a proxy that passes our certificate on in a header field adds to them"
    yield case.likely(Cause.REQUEST_TOO_LARGE, OURS, LIKELY, _answers(case), detail=what)


TOO_LONG = {413: "its content", 414: "its URL"}


def _forwarded_in_plain(case: Case) -> Iterator[Likely]:
    """TLS ended in front of the service that answers: what it got was not in TLS, although we sent it in TLS."""
    evidence = f"over TLS it answers {shown(_reply(case).text)}"
    yield case.likely(Cause.FORWARDED_IN_PLAIN, PEERS, LIKELY, evidence)


def _clock(case: Case) -> Iterator[Likely]:
    """A server that sends the right time has no wrong clock."""
    date = _reply(case).date
    if date is None or abs((date - case.situation.now).total_seconds()) > SKEW_SECONDS:
        yield from own_side.clock(case)


def _exceeds_usual_depth(case: Case) -> Iterator[Likely]:
    yield from (each for each in own_issuer.chain_too_long(case) if each.weight is LIKELY)


def _nobody_behind(case: Case) -> Iterator[Likely]:
    evidence = "TLS was complete, and it closed the connection without a word, as a load balancer without a server does"
    yield case.likely(Cause.BACKEND_DOWN, PEERS, own_side.silent_weight(case), evidence)


def _without_protocol(case: Case) -> Iterator[Likely]:
    """Servers of HTTP/2 alone let a client in that offers HTTP/1.1, as Go does, and close on its request."""
    for each in network.no_protocol_chosen(case):
        yield replace(each, weight=POSSIBLE, evidence="")


def _no_request_in_time(case: Case) -> Iterator[Likely]:
    if not case.observed.said:
        yield case.likely(
            Cause.NO_REQUEST, OURS, POSSIBLE, "we had sent nothing when it closed the connection"
        )


by_service = one(Cause.REFUSED_BY_SERVICE, PEERS)
BAD_REQUEST: tuple[Rule, ...] = (_absent, _untrusted, own_side.flawed)
let_in: tuple[Rule, ...] = (
    _absent,
    _untrusted,
    _namesake,
    own_side.flawed,
    _perhaps_later,
    own_side.not_authorized,
)
WRONG: tuple[Rule, ...] = (
    _absent, _untrusted, own_side.flawed, own_side.below_strict_levels, own_side.anchor_expired,
    own_issuer.partial_chain, _exceeds_usual_depth,
    own_issuer.issuer, _not_told_apart, _clock, own_side.not_authorized, own_side.no_known_reason,
)  # fmt: skip

SILENT: tuple[Rule, ...] = (
    _absent,
    _untrusted,
    own_side.flawed,
    own_side.not_authorized,
    _nobody_behind,
    _without_protocol,
    _no_request_in_time,
    one(Cause.PEER_STOPPED, PEERS),
)
RULES: Mapping[Meaning, tuple[Rule, ...]] = {
    Meaning.CERTIFICATE_WANTED: (
        _sent_none_behind,
        _absent,
        _unsent,
        _untrusted,
        own_side.flawed,
        _certificate_not_requested,
        _no_list,
        own_issuer.issuer,
        own_side.not_authorized,
        by_service,
    ),
    Meaning.CERTIFICATE_WRONG: (*WRONG, _behind_a_proxy),
    Meaning.CERTIFICATE_UNTRUSTED: (
        _absent,
        _untrusted,
        _as_the_answer_says,
        own_side.flawed,
        own_side.no_known_reason,
        _certificate_not_requested,
    ),
    # A text proves nothing: what was requested, named and sent is weighed first, whatever it says.
    Meaning.CERTIFICATE_EXPIRED: (
        _absent,
        _untrusted,
        own_side.flawed,
        own_side.anchor_expired,
        _clock,
        _expired,
        own_issuer.issuer,
    ),
    Meaning.CERTIFICATE_REVOKED: (_absent, _untrusted, own_side.flawed, own_side.revoked),
    Meaning.LATER_IMPOSSIBLE: (_untrusted, _later),
    Meaning.HTTP1_WANTED: (_http1, by_service),
    Meaning.WRONG_NAME: (_name, by_service),
    Meaning.NO_SUCH_HOST: (_no_such_host, by_service),
    Meaning.MISDIRECTED: (_misdirected, by_service),
    Meaning.TOO_LARGE: (_too_large, by_service),
    Meaning.UNWILLING: (by_status, _untrusted, own_side.flawed, *let_in),
    Meaning.ADDRESS_REFUSED: (_by_address, *let_in, by_service),
    Meaning.FORBIDDEN: (*let_in, _issuer, by_service),
    Meaning.NOT_AUTHORIZED: (_perhaps_absent, _perhaps_login, *let_in[1:], by_service),
    Meaning.DENIED: (_perhaps_absent, *let_in[1:], _perhaps_login, by_service),
    Meaning.ELSEWHERE: (_elsewhere,),
    Meaning.BLOCKED: (_blocked, by_service),
    Meaning.FAILED: (by_status,),
    Meaning.LOGIN: (_login_named, _untrusted, own_side.flawed, _login, *let_in, by_service),
    Meaning.PROXY_LOGIN: (_proxy_login,),
    Meaning.NO_BACKEND: (_backend, by_service),
    Meaning.BUSY: (_busy, by_service),
    Meaning.NO_REQUEST: (one(Cause.NO_REQUEST, OURS, LIKELY), by_service),
    Meaning.NO_PROTOCOL: (_no_protocol, by_service),
    Meaning.PLAIN_WANTED: (_forwarded_in_plain, by_service),
}


def of_meaning(meaning: Meaning) -> tuple[Rule, ...]:
    """Return the rules for what a reply says."""
    return (_clocks, *RULES[meaning])
