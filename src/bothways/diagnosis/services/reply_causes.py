"""The rules by which a service's reply leads to causes: what was requested and sent counts before what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bothways.diagnosis.case import Case, Rule, one
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.near_names import is_address
from bothways.diagnosis.own_side import chain as own_chain
from bothways.diagnosis.own_side import hello as own_hello
from bothways.diagnosis.own_side import issuer as own_issuer
from bothways.diagnosis.own_side import strength as own_strength
from bothways.diagnosis.peer import network
from bothways.diagnosis.replies.certificate_texts import about_certificates
from bothways.diagnosis.replies.texts import LOGINS, Meaning, match_text
from bothways.diagnosis.services import told_reasons
from bothways.diagnosis.services.told_reasons import LISTS, answers, is_http, reply_of
from bothways.faults import shown
from bothways.roles import Version

OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN
LIKELY, POSSIBLE = Weight.LIKELY, Weight.POSSIBLE


def by_status(case: Case) -> Iterator[Likely]:
    """The service refuses, and its status is all that is known."""
    yield case.likely(Cause.REFUSED_BY_SERVICE, PEERS, LIKELY, answers(case))


def _unsent(case: Case) -> Iterator[Likely]:
    if case.request is None and case.own_side.own:
        yield from _certificate_not_requested(case)
    elif not case.chain:
        yield case.likely(Cause.NO_CERTIFICATE, OURS, LIKELY, "the server says so", detail="none was sent")


def _perhaps_absent(case: Case) -> Iterator[Likely]:
    """Its answer is the same whether a certificate is missing or something else."""
    yield from (replace(each, weight=POSSIBLE) for each in told_reasons.absent(case))


def _perhaps_later(case: Case) -> Iterator[Likely]:
    """A web server that requested no certificate may want one for some paths alone; its answer does not say so."""
    if is_http(case):
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
    yield case.likely(Cause.HTTP1_REQUIRED, OURS, LIKELY, answers(case))
    evidence = (
        "Apache answers so where a certificate is required for some paths alone, which HTTP/2 does not allow"
    )
    yield case.likely(Cause.WANTS_CERTIFICATE_LATER, PEERS, POSSIBLE, evidence)


def _issuer(case: Case) -> Iterator[Likely]:
    """Not where the handshake that succeeded shows that our CA is trusted."""
    if not reply_of(case).verifies:
        yield from own_issuer.issuer(case)


def _namesake(case: Case) -> Iterator[Likely]:
    """Not where the handshake that succeeded shows that our CA is trusted."""
    if not reply_of(case).verifies:
        yield from own_issuer.namesake(case)


def _no_list(case: Case) -> Iterator[Likely]:
    """It got our certificate and calls it none, as Dovecot does, which requires a CRL of each CA by default."""
    if case.chain and not is_http(case) and not case.own_reasons and not own_issuer.is_issuer_unnamed(case):
        evidence = (
            "it got our certificate, and calls it none that is valid; Dovecot does so where it has no CRL"
        )
        detail = f"{LISTS}, which Dovecot requires unless ssl_require_crl is no"
        yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, evidence, whose="our", detail=detail)


def _by_address(case: Case) -> Iterator[Likely]:
    """Its answer speaks of the address that we come from, which no certificate changes."""
    yield case.likely(Cause.LETS_NOT_IN, PEERS, LIKELY, answers(case))


def _by_rules(case: Case) -> Iterator[Likely]:
    """Who asked for no certificate goes by other things: the address, the name, what is requested."""
    if told_reasons.asked_for_none(case):
        reply = reply_of(case)
        says = reply.meaning is Meaning.BY_RULES or _OF_MAIL.match(reply.text) is not None
        evidence = f"{answers(case)}, and it asked for no certificate by which it could know us"
        yield case.likely(Cause.LETS_NOT_IN, PEERS, LIKELY if says else POSSIBLE, evidence)


_OF_MAIL = re.compile(r"5\d\d[ -]")  # which has policies for hosts; others go by users


def _login_named(case: Case) -> Iterator[Likely]:
    """It names the schemes of the credentials that it requires (RFC 9110 11.6.1)."""
    schemes = reply_of(case).login
    if schemes:
        yield case.likely(Cause.WANTS_LOGIN, OURS, LIKELY, f"it names {schemes}")


def _login(case: Case) -> Iterator[Likely]:
    reply = reply_of(case)
    evidence = "its answer mentions credentials, and no certificate"
    if is_http(case) and match_text(reply.text, LOGINS) is None:
        evidence = (
            f"its status, {reply.status}, means that credentials are missing or not accepted; it names none"
        )
    yield case.likely(Cause.WANTS_LOGIN, OURS, POSSIBLE if is_http(case) else LIKELY, evidence)


def _perhaps_login(case: Case) -> Iterator[Likely]:
    """Brokers send one code for a client that may not and for one without a user name and a password."""
    evidence = "it sends the same code where a user name and a password are missing"
    yield case.likely(Cause.WANTS_LOGIN, OURS, POSSIBLE, evidence)


def _proxy_login(case: Case) -> Iterator[Likely]:
    evidence = f"it names {reply_of(case).login}" if reply_of(case).login else "that is what the status says"
    yield case.likely(Cause.PROXY_WANTS_LOGIN, BETWEEN, LIKELY, evidence)


def _backend(case: Case) -> Iterator[Likely]:
    yield case.likely(Cause.BACKEND_DOWN, PEERS, LIKELY, answers(case))


def _told_of_ours(case: Case) -> Iterator[Likely]:
    """Its answer is that of a proxy, and speaks of a certificate: of ours, only where we know something against it."""
    if about_certificates(reply_of(case).text) is not None:
        yield from told_reasons.untrusted(case)
        yield from own_chain.flawed(case)


def _busy(case: Case) -> Iterator[Likely]:
    yield case.likely(Cause.SERVICE_BUSY, PEERS, LIKELY, answers(case))


def _not_told_apart(case: Case) -> Iterator[Likely]:
    """Servers that verify with OpenSSL and respond with a page send the same text for every reason."""
    if not case.chain or case.own_reasons or own_issuer.is_issuer_unnamed(case):
        return
    how = "its answer is the same for each of these; nginx writes which it was to its error log"
    yield own_chain.revoked_by(case, POSSIBLE, how)
    detail = f"{LISTS}, or reach no OCSP responder"
    yield case.likely(Cause.STATUS_UNKNOWN, PEERS, POSSIBLE, how, whose="our", detail=detail)
    if len(case.chain) == own_issuer.USUAL_DEPTH:
        detail = "nginx accepts no intermediate where ssl_verify_depth is 0"
        yield case.likely(Cause.DEPTH_LIMIT, PEERS, POSSIBLE, how, detail=detail)
    facts = {"issuer": case.chain[-1].issuer_text, "date": f"a date that the {case.role.peer} knows"}
    yield case.likely(Cause.ANCHOR_EXPIRED, PEERS, POSSIBLE, how, **facts)


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
    evidence = f"{answers(case)}, which is about the stream and not about TLS"
    yield case.likely(Cause.NAME_NOT_SERVED, OURS, LIKELY, evidence, name=name, no_command=True)


def _elsewhere(case: Case) -> Iterator[Likely]:
    detail = "another server of its cluster performs this request"
    yield case.likely(Cause.OTHER_SERVICE, OURS, LIKELY, answers(case), detail=detail)


def _skewed(case: Case) -> Iterator[Likely]:
    """It compares a time in the request with its own: one of the two clocks is wrong, or the request is an old one."""
    date = reply_of(case).date
    says = f'; its answer says "Date: {date:%Y-%m-%d %H:%M} UTC"' if date is not None else ""
    yield case.likely(Cause.OUR_CLOCK, OURS, LIKELY, f"{answers(case)}{says}")
    yield from own_chain.clock(case)


def _blocked(case: Case) -> Iterator[Likely]:
    evidence = "its answer is that of a filter for requests, such as a web application firewall"
    yield case.likely(Cause.LETS_NOT_IN, PEERS, LIKELY, evidence)


def _too_large(case: Case) -> Iterator[Likely]:
    reply = reply_of(case)
    what = TOO_LONG.get(reply.status or 0, "its header fields, such as cookies or a token")
    if reply.status not in TOO_LONG and case.chain:
        what += "; a proxy that passes our certificate on in a header field adds to them"
    yield case.likely(Cause.REQUEST_TOO_LARGE, OURS, LIKELY, answers(case), detail=what)


TOO_LONG = {413: "its content", 414: "its URL"}


def _forwarded_in_plain(case: Case) -> Iterator[Likely]:
    """TLS ended in front of the service that answers: what it got was not in TLS, although we sent it in TLS."""
    evidence = f"over TLS it answers {shown(reply_of(case).text)}"
    yield case.likely(Cause.FORWARDED_IN_PLAIN, PEERS, LIKELY, evidence)


def _exceeds_usual_depth(case: Case) -> Iterator[Likely]:
    yield from (each for each in own_issuer.chain_too_long(case) if each.weight is LIKELY)


def _nobody_behind(case: Case) -> Iterator[Likely]:
    evidence = "TLS was complete, and it closed the connection without a word, as a load balancer without a server does"
    yield case.likely(Cause.BACKEND_DOWN, PEERS, own_chain.silent_weight(case), evidence)


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
BAD_REQUEST: tuple[Rule, ...] = (told_reasons.absent, told_reasons.untrusted, own_chain.flawed)
let_in: tuple[Rule, ...] = (
    told_reasons.absent,
    told_reasons.untrusted,
    _namesake,
    own_chain.flawed,
    _perhaps_later,
    own_chain.not_authorized,
)
WRONG: tuple[Rule, ...] = (
    told_reasons.absent, told_reasons.untrusted, own_chain.flawed, own_strength.below_strict_levels,
    own_chain.anchor_expired,
    own_issuer.partial_chain, _exceeds_usual_depth,
    own_issuer.issuer, _not_told_apart, told_reasons.clock, own_chain.not_authorized, own_chain.no_known_reason,
)  # fmt: skip

SILENT: tuple[Rule, ...] = (
    told_reasons.absent,
    told_reasons.untrusted,
    own_chain.flawed,
    own_chain.not_authorized,
    _nobody_behind,
    _without_protocol,
    _no_request_in_time,
    one(Cause.PEER_STOPPED, PEERS),
)


def _told(*rules: Rule) -> tuple[Rule, ...]:
    """Return the rules for a reason that the service names: what we know ourselves is weighed first."""
    return (*FIRST, own_chain.flawed, *rules, told_reasons.behind_a_proxy)


FIRST: tuple[Rule, ...] = (told_reasons.absent, told_reasons.untrusted, told_reasons.of_another)


RULES: Mapping[Meaning, tuple[Rule, ...]] = {
    Meaning.CERTIFICATE_WANTED: (
        told_reasons.sent_none_behind,
        told_reasons.absent,
        _unsent,
        told_reasons.untrusted,
        own_chain.flawed,
        _certificate_not_requested,
        _no_list,
        own_issuer.issuer,
        own_chain.not_authorized,
        by_service,
    ),
    Meaning.CERTIFICATE_WRONG: (told_reasons.of_another, *WRONG, told_reasons.behind_a_proxy),
    Meaning.CERTIFICATE_UNTRUSTED: (*FIRST, told_reasons.issuer, *_told()[len(FIRST) :]),
    Meaning.CERTIFICATE_CHAIN_SHORT: (*FIRST, told_reasons.incomplete, *_told()[len(FIRST) :]),
    Meaning.CERTIFICATE_EXPIRED: _told(own_chain.anchor_expired, told_reasons.period),
    Meaning.CERTIFICATE_NOT_YET_VALID: _told(told_reasons.period),
    Meaning.CERTIFICATE_REVOKED: _told(told_reasons.revoked),
    Meaning.CERTIFICATE_REVOKED_OR_NOT: _told(told_reasons.revoked, told_reasons.status),
    Meaning.CERTIFICATE_STATUS: _told(told_reasons.status, told_reasons.clock),
    Meaning.CERTIFICATE_USE: _told(told_reasons.use),
    Meaning.CERTIFICATE_WEAK: _told(told_reasons.weak),
    Meaning.CERTIFICATE_NOT_CA: _told(told_reasons.told(Cause.NOT_A_CA)),
    Meaning.CERTIFICATE_NAMES: _told(told_reasons.told(Cause.NAME_NOT_ALLOWED)),
    Meaning.CERTIFICATE_NAMELESS: _told(told_reasons.nameless),
    Meaning.CERTIFICATE_CHAIN_LONG: _told(told_reasons.chain_long),
    Meaning.CERTIFICATE_SIGNATURE: _told(told_reasons.signature),
    Meaning.LATER_IMPOSSIBLE: (told_reasons.untrusted, _later),
    Meaning.HTTP1_WANTED: (_http1, by_service),
    Meaning.WRONG_NAME: (_name, by_service),
    Meaning.NO_SUCH_HOST: (_no_such_host, by_service),
    Meaning.MISDIRECTED: (_misdirected, by_service),
    Meaning.TOO_LARGE: (_too_large, by_service),
    Meaning.UNWILLING: (
        by_status,
        told_reasons.untrusted,
        own_chain.flawed,
        _perhaps_absent,
        *let_in[1:],
    ),
    Meaning.ADDRESS_REFUSED: (_by_address, *let_in, by_service),
    Meaning.SHUT_OUT: (_by_address, *let_in, by_service),
    Meaning.BY_RULES: (*let_in[:4], _by_rules, _perhaps_later, own_chain.not_authorized, by_service),
    Meaning.FORBIDDEN: (*let_in, _by_rules, _issuer, by_service),
    Meaning.NOT_AUTHORIZED: (_perhaps_absent, _perhaps_login, *let_in[1:], by_service),
    Meaning.DENIED: (_perhaps_absent, *let_in[1:], _perhaps_login, by_service),
    Meaning.ELSEWHERE: (_elsewhere,),
    Meaning.SKEWED: (_skewed, by_service),
    Meaning.BLOCKED: (_blocked, by_service),
    Meaning.FAILED: (by_status,),
    Meaning.LOGIN: (
        _login_named,
        told_reasons.untrusted,
        own_chain.flawed,
        _login,
        *let_in,
        by_service,
    ),
    Meaning.PROXY_LOGIN: (_proxy_login,),
    Meaning.NO_BACKEND: (_told_of_ours, _backend, by_service),
    Meaning.BUSY: (_busy, by_service),
    Meaning.NO_REQUEST: (one(Cause.NO_REQUEST, OURS, LIKELY), by_service),
    Meaning.NO_PROTOCOL: (_no_protocol, by_service),
    Meaning.PLAIN_WANTED: (_forwarded_in_plain, by_service),
}


def of_meaning(meaning: Meaning) -> tuple[Rule, ...]:
    """Return the rules for what a reply says."""
    return (told_reasons.by_its_date, *RULES[meaning])
