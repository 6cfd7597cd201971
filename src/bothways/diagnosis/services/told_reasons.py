"""Rules for what a service says about our certificate, weighed against what our own verification finds.

What it says is not authenticated, and may be about another certificate: no cause is certain by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from bothways.diagnosis import certificates as certs
from bothways.diagnosis.case import Case, Rule
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.own_side import chain as own_chain
from bothways.diagnosis.own_side import issuer as own_issuer
from bothways.diagnosis.own_side import strength as own_strength
from bothways.diagnosis.replies.reply import ServiceRefusal, ServiceReply
from bothways.diagnosis.replies.texts import Meaning
from bothways.faults import shown
from bothways.trust.path.name_matching import names_of

OURS, PEERS = Party.OURS, Party.PEERS
LIKELY, POSSIBLE = Weight.LIKELY, Weight.POSSIBLE
SKEW_SECONDS = 120
LISTS = "it may have no current certificate revocation list (CRL) of each CA of our chain"
NOT_FOUND = "; our own verification does not find that"


def reply_of(case: Case) -> ServiceReply:
    """Return the reply of the service, or an empty one."""
    return case.error.reply if isinstance(case.error, ServiceRefusal) else ServiceReply("", None)


def answers(case: Case) -> str:
    """Return what the service answers, as evidence."""
    return f"it answers {shown(reply_of(case).text)}"


def is_http(case: Case) -> bool:
    """Whether the reply is one of HTTP."""
    return reply_of(case).status is not None


def _is_sound(case: Case) -> bool:
    """Whether we sent a certificate, and know nothing against it."""
    return bool(case.chain) and not case.own_reasons and not own_issuer.is_issuer_unnamed(case)


# -- was it about ours? ------------------------------------------------------------------------------------


def absent(case: Case) -> Iterator[Likely]:
    """As in the handshake, but a service may have other reasons: no cause is certain."""
    weight = POSSIBLE if reply_of(case).needs_none else LIKELY
    for each in own_chain.absent(case):
        yield case.likely(each.cause, each.party, weight, each.evidence, **dict(each.facts))


def asked_for_none(case: Case) -> bool:
    """Whether it requested no certificate of us in a whole handshake; where a session is resumed it requests none."""
    return case.is_client and case.request is None and "Certificate" in case.observed.received


def sent_none_behind(case: Case) -> Iterator[Likely]:
    """nginx says it of a request without a certificate: it asked a proxy where it did not ask us, or got ours."""
    if is_http(case) and _NONE_SENT.search(reply_of(case).text):
        if case.chain:
            evidence = (
                "it says that none was sent, and we sent ours, so that it speaks of a connection of its own"
            )
            yield case.likely(Cause.FORWARDED_WITHOUT_CERTIFICATE, PEERS, LIKELY, evidence)
        elif asked_for_none(case):
            evidence = "nginx says it only where it asked for a certificate, and nobody asked us"
            yield case.likely(Cause.FORWARDED_WITHOUT_CERTIFICATE, PEERS, LIKELY, evidence)


_NONE_SENT = re.compile(r"no required (?:ssl|tls) certificate was sent", re.IGNORECASE)


def of_another(case: Case) -> Iterator[Likely]:
    """It says what is wrong with a certificate, and nobody asked us for one: it got another's."""
    if is_http(case) and asked_for_none(case):
        evidence = f"{answers(case)}, and nobody asked us for a certificate"
        yield case.likely(Cause.FORWARDED_WITHOUT_CERTIFICATE, PEERS, LIKELY, evidence)


def behind_a_proxy(case: Case) -> Iterator[Likely]:
    """Where our certificate has no fault that is known, it may speak of one that a proxy in between has sent."""
    if is_http(case) and _is_sound(case):
        yield case.likely(Cause.FORWARDED_WITHOUT_CERTIFICATE, PEERS, POSSIBLE)


def untrusted(case: Case) -> Iterator[Likely]:
    """A service that names its CAs without ours refuses for that, whatever its text says."""
    if not reply_of(case).verifies:
        yield from own_issuer.unnamed_issuer(case)


# -- clocks ------------------------------------------------------------------------------------------------


def _apart(case: Case, time: datetime) -> bool:
    return abs((time - case.situation.now).total_seconds()) > SKEW_SECONDS


def _is_outside(case: Case, time: datetime) -> bool:
    """Whether a certificate of ours is not valid at a time."""
    return any(not each.not_before <= time <= each.not_after for each in case.chain)


def by_its_date(case: Case) -> Iterator[Likely]:
    """The server sends its time: our certificate may not be valid by it, though it is by our clock."""
    reply, chain, now = reply_of(case), case.chain, case.situation.now
    if reply.date is None or not chain or not _apart(case, reply.date):
        return
    if reply.meaning not in OF_A_CLOCK:
        return
    if _is_outside(case, reply.date) and not _is_outside(case, now):
        evidence = (
            f'its answer says "Date: {reply.date:%Y-%m-%d %H:%M} UTC", when our certificate is not valid'
        )
        weight = POSSIBLE if reply.login else LIKELY  # it says what it wants
        yield case.likely(Cause.PEERS_CLOCK, PEERS, weight, evidence)


# What a server may say that takes our certificate for one that is not valid: of it, or that we are not let in.
OF_A_CLOCK = (
    Meaning.CERTIFICATE_WRONG, Meaning.CERTIFICATE_EXPIRED, Meaning.CERTIFICATE_NOT_YET_VALID,
    Meaning.CERTIFICATE_STATUS, Meaning.FORBIDDEN, Meaning.NOT_AUTHORIZED, Meaning.DENIED, Meaning.LOGIN,
)  # fmt: skip


def clock(case: Case) -> Iterator[Likely]:
    """A server that sends the right time has no wrong clock."""
    date = reply_of(case).date
    if date is None or _apart(case, date):
        yield from own_chain.clock(case)


def period(case: Case) -> Iterator[Likely]:
    """It says that our certificate is outside its validity period: by our own verification it is not.

    Then a clock is wrong, its own or ours, unless the time that it says is right; or what it means is a certificate
    that we did not send.
    """
    reply = reply_of(case)
    if not case.chain:
        if not asked_for_none(case):
            date, subject = "a date that the server knows", "our certificate"
            yield case.likely(Cause.EXPIRED, OURS, POSSIBLE, answers(case), date=date, subject=subject)
        return
    valid = next(own_chain.clock(case), None)
    if valid is None:  # by our clock it is outside too, which `flawed` says
        return
    time = reply.verified_at or reply.date
    if time is None or (_apart(case, time) and _is_outside(case, time)):
        by = f"; it verified at {time:%Y-%m-%d %H:%M} UTC" if reply.verified_at and time else ""
        evidence = f"{answers(case)}{by}; {valid.evidence}"
        yield case.likely(Cause.PEERS_CLOCK, PEERS, LIKELY, evidence)
        yield case.likely(Cause.OUR_CLOCK, OURS, POSSIBLE, "if not the server's, ours is wrong")
    facts = {"issuer": case.chain[-1].issuer_text, "date": f"a date that the {case.role.peer} knows"}
    seen = f"{answers(case)}, and by our clock everything that we sent is in date"
    yield case.likely(Cause.ANCHOR_EXPIRED, PEERS, POSSIBLE, seen, **facts)


# -- what it says ------------------------------------------------------------------------------------------


def issuer(case: Case) -> Iterator[Likely]:
    """It says that it does not trust our issuer: that is the reason even where it names our CA."""
    for each in own_issuer.issuer(case):
        yield replace(each, weight=LIKELY) if each.cause is Cause.CA_NOT_ACCEPTED else each
    named = case.request.authorities if case.request is not None else ()
    found = certs.highest_named(case.chain, named)
    if case.chain and found is not None:
        yield from own_issuer.partial_chain(case)
        evidence = f"{answers(case)}, though it names {found}"
        detail = "it says so of its issuer, or of one above it"
        yield case.likely(Cause.CA_NOT_ACCEPTED, OURS, LIKELY, evidence, detail=detail)
        yield case.likely(Cause.CA_REPLACED, OURS, POSSIBLE, evidence, issuer=case.chain[-1].issuer_text)


def incomplete(case: Case) -> Iterator[Likely]:
    """It says that our chain lacks an intermediate: the issuer of its end, unless it leads to a root that it knows."""
    if case.chain:
        last = case.chain[-1].issuer_text
        yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, LIKELY, answers(case), issuer=last)
        yield from own_issuer.issuer(case)


def revoked(case: Case) -> Iterator[Likely]:
    """It says that our certificate is revoked, which it knows from its CRL or responder."""
    if case.chain or not asked_for_none(case):
        yield own_chain.revoked_by(case, LIKELY, answers(case))


def status(case: Case) -> Iterator[Likely]:
    """It says that it cannot determine the revocation status of our certificate."""
    yield case.likely(Cause.STATUS_UNKNOWN, PEERS, LIKELY, answers(case), whose="our", detail=LISTS)


def use(case: Case) -> Iterator[Likely]:
    """It says that our certificate, or a CA above it, is not for clients."""
    for each in own_chain.wrong_use(case):
        if each.cause is not Cause.NO_SHARED_SCHEME:
            yield _as_told(case, each)


def weak(case: Case) -> Iterator[Likely]:
    """It says that a key or a signature of our chain is too weak."""
    yield from own_strength.below_strict_levels(case)
    yield from (_as_told(case, each) for each in own_strength.weak_key(case))
    got = "an algorithm that it does not accept"
    yield _as_told(case, case.likely(Cause.WEAK_SIGNATURE, OURS, POSSIBLE, got=got))


def signature(case: Case) -> Iterator[Likely]:
    """It says that a signature does not verify: it has another key of an issuer of that name."""
    if case.chain:
        name = case.chain[-1].issuer_text
        yield case.likely(Cause.CA_REPLACED, OURS, LIKELY, answers(case), issuer=name)
        yield _as_told(case, case.likely(Cause.SIGNATURE_WRONG, OURS, POSSIBLE))


def chain_long(case: Case) -> Iterator[Likely]:
    """It says that our chain is longer than it accepts, or than a CA in it allows."""
    yield case.likely(Cause.DEPTH_LIMIT, PEERS, LIKELY, answers(case), detail=own_issuer.DEPTHS)
    yield _as_told(case, case.likely(Cause.PATH_TOO_LONG, OURS, POSSIBLE))


def nameless(case: Case) -> Iterator[Likely]:
    """It says that our certificate has no subjectAltName, or none of a kind that it looks for."""
    if not case.chain:
        return
    names = names_of(case.chain[0])
    if names.count:
        got = shown((*names.dns, *names.ip, *names.uri, *names.email))
        wanted = "a name of the kind that the server looks for"
        yield case.likely(Cause.WRONG_NAME, OURS, LIKELY, answers(case), got=got, wanted=wanted)
        return
    evidence = f"{answers(case)}; our certificate has no subjectAltName"
    comparing = "the server looks for a subjectAltName"
    yield case.likely(Cause.NO_ALTERNATIVE_NAME, OURS, LIKELY, evidence, comparing=comparing)


def told(cause: Cause) -> Rule:
    """Return a rule that yields one cause, which the service names, with what our own verification finds beside."""

    def rule(case: Case) -> Iterator[Likely]:
        name = case.chain[0].issuer_text if case.chain else "its issuer"
        facts = {"issuer": name, "detail": "its answer does not say which"}
        yield _as_told(case, case.likely(cause, OURS, POSSIBLE, **facts))

    return rule


def _as_told(case: Case, likely: Likely) -> Likely:
    """Return a cause of ours that the service names: possible only where our own verification finds nothing."""
    sound = _is_sound(case)
    return replace(
        likely,
        weight=POSSIBLE if sound else LIKELY,
        evidence=answers(case) + (NOT_FOUND if sound else ""),
    )
