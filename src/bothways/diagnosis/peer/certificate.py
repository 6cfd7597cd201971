"""The causes for which we refuse the peer's certificate: for each reason its usual causes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.diagnosis import certificates as certs
from bothways.diagnosis import clocks
from bothways.diagnosis.case import CERTIFICATE_LIMIT, Case, parsed
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.near_names import is_address, is_uri, matches_nothing, why_not
from bothways.diagnosis.situation import UNNAMED
from bothways.faults import OF_ANCHOR, Fault, Reason, sentence
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.path.chain_links import (
    NOT_TOLD,
    instead_of_issuer,
    is_self_signed,
    key_difference,
    linked,
    names_key_of,
)
from bothways.trust.path.name_matching import may_sign_others, names_of
from bothways.trust.verdict import Trusted
from bothways.trust.verification import verify

CERTAIN, LIKELY, POSSIBLE = Weight.CERTAIN, Weight.LIKELY, Weight.POSSIBLE
OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN
PERIOD = (Fault.CERTIFICATE_EXPIRED, Fault.CERTIFICATE_NOT_YET_VALID)


def refused_for(case: Case, reasons: tuple[Reason, ...]) -> Iterator[Likely]:
    """Every reason has to be corrected, in their order; reasons that one wrong clock explains count as one."""
    if any(each.fault is Fault.STAPLE_REQUIRED for each in reasons):  # by which the status would be known too
        reasons = tuple(
            each for each in reasons if each.position or each.fault is not Fault.REVOCATION_UNKNOWN
        )
    of_clock: tuple[Fault, ...] = ()
    if any(_clock(case, each) for each in reasons if each.fault in PERIOD):
        of_clock = PERIOD
    if clocks.issued_later(case) is not None:
        of_clock += (Fault.REVOCATION_UNKNOWN,)
    begins = next((at for at, each in enumerate(reasons) if each.fault in of_clock), 0)
    for at, reason in enumerate(reasons):
        order = begins if reason.fault in of_clock else at
        for likely in _of_reason(case, reason):
            yield replace(likely, order=order)
    for likely in _not_allowed_either(case, reasons):
        yield replace(likely, order=len(reasons))


def _not_allowed_either(case: Case, reasons: tuple[Reason, ...]) -> Iterator[Likely]:
    """Whether our rules would not allow this client with a certificate that has no fault: then a new one is no help."""
    anchors, chain = case.own_side.anchors, case.peer_chain
    if not (case.own_side.rules and anchors is not None and chain):
        return
    at = chain[0].not_after if any(each.fault in PERIOD for each in reasons) else case.situation.now
    ders = [each.der for each in chain]
    verdict = verify(ders, anchors, purpose=None, name=None, at=at, key_usage=None)
    if isinstance(verdict, Trusted) and not any(each.allows(verdict) for each in case.own_side.rules):
        yield case.likely(
            Cause.NOT_LET_IN, PEERS, CERTAIN, "no rule holds for it, whatever else is wrong with it"
        )


def _of_reason(case: Case, reason: Reason) -> Iterator[Likely]:
    match reason.fault:
        case _ if "anchor" in reason.facts:
            yield from _anchor(case, reason)
        case Fault.NO_PATH:
            yield from _no_path(case, reason)
        case Fault.CERTIFICATE_EXPIRED | Fault.CERTIFICATE_NOT_YET_VALID:
            yield from _period(case, reason)
        case Fault.BAD_CERTIFICATE_SIGNATURE:
            yield from _bad_signature(case, reason)
        case Fault.NAME_MISMATCH:
            yield from _name(case, reason)
        case Fault.NO_SERVER_NAMES if shows_authority(case):
            yield _nameless_authority(case, reason)
        case Fault.BAD_STAPLE:
            yield certs.cause_of(case, reason, PEERS, LIKELY)
            yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)
        case Fault.STAPLE_REQUIRED if reason.facts.get("stapled"):
            yield case.likely(Cause.BAD_STAPLE, PEERS, LIKELY, detail=reason.facts.get("problem", ""))
            yield case.likely(Cause.OUR_CLOCK, OURS, POSSIBLE)
        case Fault.REVOKED:
            yield certs.cause_of(case, reason, PEERS, CERTAIN)
            since = reason.facts.get("revoked_at")
            if isinstance(since, datetime) and since > case.situation.now:
                evidence = f"by it the revocation, of {since:%Y-%m-%d %H:%M} UTC, is still to come"
                yield case.likely(Cause.OUR_CLOCK, OURS, LIKELY, evidence)
        case Fault.REVOCATION_UNKNOWN:
            # Our own side has to provide CRLs and OCSP responses.
            whose = f"the {case.role.peer}'s"
            if source := reason.facts.get("not_allowed"):
                detail = reason.facts.get("problem", "")
                yield case.likely(
                    Cause.FETCH_NOT_ALLOWED, OURS, CERTAIN, whose=whose, source=source, detail=detail
                )
            else:
                yield from _status_unknown(case, reason, whose)
        case _:
            yield certs.cause_of(case, reason, PEERS, CERTAIN)


def shows_authority(case: Case) -> bool:
    """Whether the peer's certificate is of a CA; a self-signed one says so too where it is a server's own."""
    leaf = next(iter(case.peer_chain), None)
    return leaf is not None and may_sign_others(leaf) and not leaf.is_self_issued


def _nameless_authority(case: Case, reason: Reason) -> Likely:
    """A server has proved that it uses the certificate of a CA; a file without a connection may be the wrong one."""
    if case.observed.received:
        comparing = f"it is that of a CA, {reason.subject}, which is none for a server"
        instead = f"in place of the certificate of {reason.subject} "
    else:
        comparing = f"it is that of a CA, {reason.subject}: the server's own has to stand before it"
        instead = (
            "verify the file that begins with the server's own certificate (of certbot fullchain.pem, not chain.pem); "
            "if there is none, "
        )
    return certs.cause_of(case, reason, PEERS, CERTAIN, comparing=comparing, instead=instead)


def _status_unknown(case: Case, reason: Reason, whose: str) -> Iterator[Likely]:
    """What we have does not say it. That a CRL is not valid yet, or no longer, our clock alone says."""
    later = clocks.issued_later(case)
    if later is not None:
        yield case.likely(Cause.OUR_CLOCK, OURS, LIKELY, later)
    overdue = clocks.is_a_list_overdue(case)
    yield certs.cause_of(case, reason, OURS, LIKELY if later or overdue else CERTAIN, whose=whose)
    if overdue:
        yield case.likely(Cause.OUR_CLOCK, OURS, POSSIBLE)


def _bad_signature(case: Case, reason: Reason) -> Iterator[Likely]:
    """The key of the only issuer of that name did not sign: it is another key, or the certificate was altered.

    A certificate that names the key of that issuer was altered; of one that names none, another key is more common.
    """
    child = next((each for each in case.peer_chain if each.subject_text == reason.subject), None)
    sent = [each for each in case.peer_chain if child is not None and each.is_named_issuer_of(child)]
    other = next((each for each in sent if each is not child), None)
    issuer = reason.facts.get("issuer", "?")
    if child is None or names_key_of(child, (*sent, *certs.anchors_of(case.own_side.anchors, child))):
        yield certs.cause_of(case, reason, PEERS, LIKELY)
        yield case.likely(Cause.CA_REPLACED, PEERS, issuer=issuer)
    elif other is not None:
        evidence = "no key identifiers say which certificate of that name is meant"
        yield case.likely(Cause.WRONG_INTERMEDIATE, PEERS, LIKELY, evidence, **_instead(case, child, other))
        yield certs.cause_of(case, reason, PEERS, POSSIBLE)
    else:
        anchor = certs.knows(case.own_side.anchors, child)[0]
        yield from _other_key(case, str(issuer), anchor, child)
        yield certs.cause_of(case, reason, PEERS, POSSIBLE)
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _no_path(case: Case, reason: Reason) -> Iterator[Likely]:
    chain = case.peer_chain
    issuer = str(reason.facts.get("issuer", "?"))
    last = next((each for each in chain if each.subject_text == reason.subject), chain[0] if chain else None)
    pinned = list(_not_pinned(case))
    yield from pinned
    if any(each.weight is CERTAIN for each in pinned):
        return
    anchor, signed = certs.knows(case.own_side.anchors, last) if last is not None else (None, False)
    if last is not None and len(chain) == 1 and is_self_signed(last):
        evidence = f"its issuer and its subject are the same: {issuer}"
        yield case.likely(Cause.SELF_SIGNED, PEERS, CERTAIN, evidence, issuer=issuer)
    elif anchor is not None and not signed:
        yield from _other_key(case, issuer, anchor, last)
    else:
        yield from _unknown_issuer(case, issuer, last)


def _not_pinned(case: Case) -> Iterator[Likely]:
    """Where certificates are trusted one by one, one of the same name is the former of this peer: it has a new one."""
    anchors, chain = case.own_side.anchors, case.peer_chain
    pins = anchors.exact if anchors is not None else ()
    if anchors is None or not pins or not chain:
        return
    leaf, alone = chain[0], len(pins) == len(anchors)
    former = next((each for each in pins if each.normal_subject == leaf.normal_subject), None)
    if former is None and not alone:
        return
    file = case.own_side.files.ca
    facts = {"pins": file} if alone and file != UNNAMED.ca else {}
    if former is None:
        detail = f"none of them is of {leaf.subject_text}"
    else:
        key = "the same key" if former.key_digest == leaf.key_digest else "another key"
        detail = (
            f"the one of {leaf.subject_text} begins on {former.not_before:%Y-%m-%d}, that of the {case.role.peer} on "
            f"{leaf.not_before:%Y-%m-%d} and has {key}"
        )
    yield case.likely(
        Cause.CERTIFICATE_NOT_PINNED, PEERS, CERTAIN if alone else LIKELY, detail=detail, **facts
    )


def _other_key(
    case: Case, issuer: str, anchor: ParsedCertificate | None, child: ParsedCertificate | None
) -> Iterator[Likely]:
    """Our trust anchor has the name of an issuer and another key: the CA changed it, or two CAs have one name.

    Neither is told from the other by what a stranger sends. What was issued before our trust anchor begins shows that
    ours is the later one, if they are of one CA.
    """
    evidence = f"we trust {issuer}, and its key did not sign what the {case.role.peer} sent"
    if anchor is not None and child is not None and child.not_before < anchor.not_before:
        evidence += f", which begins on {child.not_before:%Y-%m-%d}, before ours does: ours is the later one"
    yield case.likely(Cause.CA_REPLACED, PEERS, LIKELY, evidence, issuer=issuer)
    detail = f"another CA may be named {issuer} too, and ours is of another environment"
    yield case.likely(Cause.CA_NOT_ACCEPTED, PEERS, POSSIBLE, detail=detail)


def _none_a_ca(case: Case) -> str:
    """Return that no trust anchor of ours is a CA, as words that follow their names; "" where one may be."""
    anchors = case.own_side.anchors
    if anchors is None or not 0 < len(anchors) <= CERTIFICATE_LIMIT:
        return ""
    found = parsed([each.public_bytes(Encoding.DER) for each in anchors.certificates])
    if len(found) < len(anchors) or any(_may_be_ca(each) for each in found):
        return ""
    return (
        ", which is no certificate of a CA" if len(found) == 1 else ", none of which is a certificate of a CA"
    )


def _may_be_ca(certificate: ParsedCertificate) -> bool:
    basic = certificate.extension(x509.BasicConstraints)
    return certificate.version < 3 if basic is None else basic.ca


def _unknown_issuer(case: Case, issuer: str, last: ParsedCertificate | None) -> Iterator[Likely]:
    """No trust anchor of ours has the name of the issuer at the end of the peer's chain."""
    chain = certs.described(case.peer_chain, len(case.observed.chain or ()))
    verb = "sent" if case.observed.received else "has"
    sent = f"the {case.role.peer} {verb} {chain}; we trust {case.trusted}{_none_a_ca(case)}"
    product = certs.inspecting_proxy(issuer) if case.is_client else None
    if product is not None:
        evidence = f"{sent}; certificates of that issuer are generated by {product}, which inspects TLS"
        yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, LIKELY, evidence)
    wrong = list(_wrong_intermediate(case, sent))
    yield from wrong
    if any(each.weight is LIKELY for each in wrong):
        yield case.likely(Cause.CA_NOT_ACCEPTED, PEERS, detail=f"{issuer} is not one of our trust anchors")
        return
    mixed = _mixed(case, issuer)
    if mixed:
        yield case.likely(Cause.WRONG_ENVIRONMENT, BETWEEN, LIKELY, sent, detail=mixed)
    if last is not None and is_self_signed(last):
        yield case.likely(Cause.ROOT_NOT_TRUSTED, PEERS, LIKELY, sent, issuer=issuer)
        return
    above = "" if mixed or last is None or len(case.peer_chain) > 1 else _above(case, issuer, last)
    if above:
        yield case.likely(Cause.INTERMEDIATE_MISSING, PEERS, LIKELY, f"{sent}; {above}", issuer=issuer)
    weight = POSSIBLE if above else LIKELY
    yield case.likely(
        Cause.CA_NOT_ACCEPTED, PEERS, weight, sent, detail=f"{issuer} is not one of our trust anchors"
    )
    if not above and not certs.is_root(issuer):
        yield case.likely(Cause.INTERMEDIATE_MISSING, PEERS, POSSIBLE, issuer=issuer)
    if case.is_client and case.observed.received:
        yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _wrong_intermediate(case: Case, sent: str) -> Iterator[Likely]:
    """A CA certificate was sent that did not issue what comes before it, and none that did.

    A root in its place was sent for completeness: the intermediate is missing.
    """
    if not case.peer_chain:
        return
    path, rest = linked(case.peer_chain)
    child = path[-1]
    other = instead_of_issuer(child, rest)
    if other is None or is_self_signed(child):
        return
    if is_self_signed(other) and not other.is_named_issuer_of(child):
        evidence = (
            f"{sent}; the root {other.subject_text}, which it sends, did not issue {child.subject_text}"
        )
        yield case.likely(Cause.INTERMEDIATE_MISSING, PEERS, LIKELY, evidence, issuer=child.issuer_text)
        return
    leads = certs.knows(case.own_side.anchors, other)[1]
    meant = leads or len(path) == 1 or other.is_named_issuer_of(child)
    facts = _instead(case, child, other)
    evidence = f"{sent}; {other.subject_text} leads to a trust anchor of ours" if leads else sent
    yield case.likely(Cause.WRONG_INTERMEDIATE, PEERS, LIKELY if meant else POSSIBLE, evidence, **facts)


def _instead(case: Case, child: ParsedCertificate, other: ParsedCertificate) -> dict[str, object]:
    """Return the facts about a CA certificate that was sent instead of the issuer's."""
    difference = key_difference(child, other)
    which = f"{other.subject_text} was sent instead" + (f": {difference}" if difference else "")
    if other.is_named_issuer_of(child):
        which = f"of the certificate of that name {NOT_TOLD}"
        if difference:
            which = f"the certificate of that name is for another key: {difference}"
    ours = child is case.peer_chain[0]
    return {
        "subject": f"the {case.role.peer}'s certificate" if ours else child.subject_text,
        "issuer": child.issuer_text,
        "detail": which,
    }


def _above(case: Case, issuer: str, leaf: ParsedCertificate) -> str:
    """Return why an issuer seems to be an intermediate, or "" if it does not."""
    anchors = case.own_side.anchors
    held = certs.intermediate_in(leaf, case.own_certificates)
    if held is not None and certs.knows(anchors, held)[1]:
        return "our own file has that CA's certificate, which a trust anchor of ours issued"
    names = anchors.readable_names if anchors is not None and not leaf.is_self_issued else ()
    related = certs.relative(issuer, names)  # a CA with the name of the host is no intermediate by its name
    if related is not None:
        return f"{related} seems to have issued it"
    if certs.has_issuer_url(leaf):
        return "it has the URL of that CA's certificate"
    return "that CA is an intermediate by its name" if certs.is_intermediate(issuer) else ""


def _mixed(case: Case, issuer: str) -> str:
    """Return how environments are mixed, or "": the peer's certificate is of one, our trust anchors of another."""
    anchors = case.own_side.anchors
    found = certs.mixed_with(issuer, anchors.readable_names if anchors is not None else ())
    if found is None:
        return ""
    return f"the {case.role.peer}'s certificate is of {found[0]}, what we trust is of {found[1]}"


def _period(case: Case, reason: Reason) -> Iterator[Likely]:
    """A certificate or a trust anchor outside its validity period, or a clock that is wrong.

    By our clock alone none of them is certain. That it expired is where something else was made later than its end;
    that it is not valid yet never is: nothing that was made earlier shows that it is not later by now.
    """
    says = f"our clock says {case.situation.now:%Y-%m-%d %H:%M} UTC"
    later = clocks.made_after(case, reason.facts.get("not_after"))
    clock = _clock(case, reason) if later is None else None
    if clock is not None:
        yield case.likely(Cause.OUR_CLOCK, OURS, *clock)
    weight, seen = (LIKELY, says) if later is None else (CERTAIN, f"{says}, and {later}")
    if "anchor" in reason.facts:
        yield _unusable_anchor(case, reason, weight, seen)
    else:
        yield certs.cause_of(case, reason, PEERS, weight, seen)
    if later is None:
        yield case.likely(Cause.OUR_CLOCK, OURS, *clocks.doubt(case, reason))


def _anchor(case: Case, reason: Reason) -> Iterator[Likely]:
    """A path leads to a trust anchor of ours that cannot be used: the peer is not at fault."""
    if reason.fault in PERIOD:
        yield from _period(case, reason)
    else:
        yield _unusable_anchor(case, reason, CERTAIN)


def _unusable_anchor(case: Case, reason: Reason, weight: Weight, says: str = "") -> Likely:
    """Return what is wrong with our trust anchor. One that is not valid yet is a clock's fault more often."""
    place = case.own_side.files.ca
    where = "it is one of our trust anchors" if place == UNNAMED.ca else f"it is in {place}"
    evidence = f"{where}, and {says}" if says else where
    facts: dict[str, object] = {"issuer": reason.subject, "other": "our side"}
    if reason.fault is Fault.CERTIFICATE_EXPIRED:
        end = reason.facts.get("not_after")
        date = f"{end:%Y-%m-%d %H:%M} UTC" if isinstance(end, datetime) else "?"
        return case.likely(Cause.ANCHOR_EXPIRED, OURS, weight, evidence, date=date, **facts)
    detail = sentence(OF_ANCHOR[reason.fault], reason.facts)
    return case.likely(Cause.ANCHOR_UNUSABLE, OURS, weight, evidence, detail=detail, **facts)


def _clock(case: Case, reason: Reason) -> tuple[Weight, str] | None:
    if clocks.begins_within_the_hour(case, reason.facts.get("not_before")):
        now = f"{case.situation.now:%Y-%m-%d %H:%M} UTC"
        return LIKELY, f"the certificate begins within the hour, and our clock says {now}"
    return clocks.wrong_clock(case, ahead=reason.fault is Fault.CERTIFICATE_EXPIRED)


def _name(case: Case, reason: Reason) -> Iterator[Likely]:
    asked, leaf = case.own_side.server_name, case.peer_chain[:1]
    for each in _name_of(case, reason, asked, leaf):
        is_in_vain = bool(leaf) and not is_uri(asked) and matches_nothing(names_of(leaf[0]))
        nothing = {"naming": NOTHING, "no_command": True} if is_in_vain else {}
        yield replace(each, facts={**each.facts, **nothing})


NOTHING = "no name that is given to a client matches one of these (RFC 9525 6.3): "


def _name_of(
    case: Case, reason: Reason, asked: str | None, leaf: Sequence[ParsedCertificate]
) -> Iterator[Likely]:
    if not is_address(asked):
        near = why_not(asked, names_of(leaf[0])) if asked is not None and leaf else ""
        yield certs.cause_of(case, reason, PEERS, CERTAIN, near)
        return
    if leaf and asked in names_of(leaf[0]).dns:
        evidence = "an IP address is compared with iPAddress entries only (RFC 9525 6.2, RFC 5280 4.2.1.6)"
        facts = {"got": f"the DNS name {asked}", "wanted": "the address of the same letters"}
        yield certs.cause_of(case, reason, PEERS, CERTAIN, evidence, **facts)
        return
    others = "other addresses" if leaf and names_of(leaf[0]).ip else "names"
    yield certs.cause_of(
        case, reason, PEERS, CERTAIN, f"we connected by address, and the certificate is for {others}"
    )
