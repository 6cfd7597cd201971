"""Causes of our refusing a peer: for each row of the table of faults, those that it usually has there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bothways.describe.messages import listed
from bothways.diagnosis import certificates as certs
from bothways.diagnosis import clocks, network
from bothways.diagnosis.case import Case, Rule, one, parsed
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.own_hello import KEY_TRANSPORT
from bothways.diagnosis.situation import Chain
from bothways.faults import Fault, Reason, sentence, shown
from bothways.iana import CipherSuite
from bothways.roles import Progress
from bothways.tls.record.protocol_guess import OtherProtocol, recognise
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.names import names_of

CERTAIN, LIKELY, POSSIBLE = Weight.CERTAIN, Weight.LIKELY, Weight.POSSIBLE
OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN


def refused(case: Case) -> Iterator[Likely]:
    """Return the causes of our refusal."""
    error = case.refusal
    if error.fault.check is not None:
        reasons = error.reasons or (Reason(error.fault, 0, "", error.facts),)
        yield from _certificate(case, reasons)
    else:
        yield from RULES.get(error.fault, _broken)(case)


# -- certificates ------------------------------------------------------------------------------------------


def _certificate(case: Case, reasons: tuple[Reason, ...]) -> Iterator[Likely]:
    """Every reason has to be mended, in the order of the reasons; those that one wrong clock explains are one."""
    period = next((at for at, each in enumerate(reasons) if each.fault in PERIOD), 0)
    doubtful = any(_clock(case, each) for each in reasons if each.fault in PERIOD)
    for at, reason in enumerate(reasons):
        order = period if doubtful and reason.fault in PERIOD else at
        for likely in _of_reason(case, reason):
            yield replace(likely, order=order)


PERIOD = (Fault.CERTIFICATE_EXPIRED, Fault.CERTIFICATE_NOT_YET_VALID)


def _of_reason(case: Case, reason: Reason) -> Iterator[Likely]:
    match reason.fault:
        case Fault.NO_PATH:
            yield from _no_path(case, reason)
        case Fault.CERTIFICATE_EXPIRED | Fault.CERTIFICATE_NOT_YET_VALID:
            yield from _period(case, reason)
        case Fault.BAD_CERTIFICATE_SIGNATURE:
            yield certs.cause_of(case, reason, PEERS, LIKELY)
            yield case.likely(Cause.CA_REPLACED, PEERS, issuer=reason.facts.get("issuer", "?"))
            yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)
        case Fault.NAME_MISMATCH:
            yield from _name(case, reason)
        case Fault.BAD_STAPLE:
            yield certs.cause_of(case, reason, PEERS, LIKELY)
            yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)
        case Fault.REVOCATION_UNKNOWN:
            # The lists and responses are ours to have.
            yield certs.cause_of(case, reason, OURS, CERTAIN, whose=f"the {case.role.peer}'s")
        case _:
            yield certs.cause_of(case, reason, PEERS, CERTAIN)


def _no_path(case: Case, reason: Reason) -> Iterator[Likely]:
    chain = case.their_chain
    issuer = str(reason.facts.get("issuer", "?"))
    last = next((each for each in chain if each.subject_text == reason.subject), chain[0] if chain else None)
    anchor = certs.knows(case.ours.anchors, last)[0] if last is not None else None
    if last is not None and last.is_self_issued and len(chain) == 1:
        evidence = f"its issuer and its subject are the same: {issuer}"
        yield case.likely(Cause.SELF_SIGNED, PEERS, CERTAIN, evidence, issuer=issuer)
    elif anchor is not None:
        evidence = f"we trust {anchor.subject_text}, and its key did not sign what the {case.role.peer} sent"
        yield case.likely(Cause.CA_REPLACED, PEERS, CERTAIN, evidence, issuer=issuer)
    else:
        yield from _unknown_issuer(case, issuer, last)


def _unknown_issuer(case: Case, issuer: str, last: ParsedCertificate | None) -> Iterator[Likely]:
    """Nothing that we trust has the name of who issued the end of the peer's chain."""
    sent = f"the {case.role.peer} sent {certs.described(case.their_chain)}; we trust {case.trusted}"
    product = certs.inspecting_proxy(issuer) if case.is_client else None
    if product is not None:
        evidence = f"{sent}; certificates of that name are made by {product}, which inspects TLS"
        yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, LIKELY, evidence)
    other = certs.other_intermediate(case.their_chain, case.ours.anchors)
    if other is not None:
        evidence = f"{sent}; {other.subject_text}, which it sends, leads to what we trust"
        issuer_of_leaf = case.their_chain[0].issuer_text
        yield case.likely(
            Cause.WRONG_INTERMEDIATE,
            PEERS,
            LIKELY,
            evidence,
            issuer=issuer_of_leaf,
            detail=other.subject_text,
        )
        return
    mixed = _mixed(case, issuer, case.trusted)
    if mixed:
        yield case.likely(Cause.WRONG_ENVIRONMENT, BETWEEN, LIKELY, sent, detail=mixed)
    if last is not None and last.is_self_issued:
        yield case.likely(Cause.ROOT_NOT_TRUSTED, PEERS, LIKELY, sent, issuer=issuer)
        return
    above = "" if mixed or last is None or len(case.their_chain) > 1 else _above(case, issuer, last)
    if above:
        yield case.likely(Cause.INTERMEDIATE_MISSING, PEERS, LIKELY, f"{sent}; {above}", issuer=issuer)
    weight = POSSIBLE if above else LIKELY
    yield case.likely(Cause.CA_NOT_ACCEPTED, PEERS, weight, sent, detail=f"{issuer} is none of ours")
    if not above and not certs.is_root(issuer):
        yield case.likely(Cause.INTERMEDIATE_MISSING, PEERS, POSSIBLE, issuer=issuer)
    if case.is_client and case.seen.received:
        yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _above(case: Case, issuer: str, leaf: ParsedCertificate) -> str:
    """Say why an issuer seems to be an intermediate, if it does."""
    anchors = case.ours.anchors
    kin = certs.relative(issuer, anchors.names_for_people if anchors is not None else ())
    if kin is not None:
        return f"{kin} seems to stand above it"
    return "it says where that CA's certificate is" if certs.tells_issuer(leaf) else ""


def _mixed(case: Case, theirs: str, ours: str) -> str:
    """Say how environments are mixed, if they are: theirs is of one, what we go by of another."""
    found = certs.mixed(theirs, ours)
    if found is None:
        return ""
    return f"the {case.role.peer}'s certificate is of {found[0]}, what we trust is of {found[1]}"


def _period(case: Case, reason: Reason) -> Iterator[Likely]:
    """A certificate outside of its time, an anchor of ours that is, or a clock that is wrong."""
    expired = reason.fault is Fault.CERTIFICATE_EXPIRED
    says = f"our clock says {case.situation.now:%Y-%m-%d %H:%M} UTC"
    clock = _clock(case, reason)
    if clock is not None:
        yield case.likely(Cause.OUR_CLOCK, OURS, *clock)
    weight = LIKELY if clock is not None else CERTAIN
    anchor = certs.anchor_named(case, reason) if expired else None
    if anchor is not None:
        date = f"{anchor.not_after:%Y-%m-%d %H:%M} UTC"
        facts = {"issuer": anchor.subject_text, "date": date, "other": "our side"}
        evidence = f"it stands in {case.ours.files.ca}, and {says}"
        yield case.likely(Cause.ANCHOR_EXPIRED, OURS, weight, evidence, **facts)
    else:
        yield certs.cause_of(case, reason, PEERS, weight, says)
    yield case.likely(Cause.OUR_CLOCK, OURS, POSSIBLE)


def _clock(case: Case, reason: Reason) -> tuple[Weight, str] | None:
    if clocks.begins_within_the_hour(case, reason.facts.get("not_before")):
        now = f"{case.situation.now:%Y-%m-%d %H:%M} UTC"
        return LIKELY, f"the certificate begins within the hour, and our clock says {now}"
    return clocks.wrong(case, ahead=reason.fault is Fault.CERTIFICATE_EXPIRED)


def _name(case: Case, reason: Reason) -> Iterator[Likely]:
    asked, leaf = case.ours.server_name, case.their_chain[:1]
    if not certs.is_address(asked):
        yield certs.cause_of(case, reason, PEERS, CERTAIN)
        return
    if leaf and asked in names_of(leaf[0]).dns:
        evidence = "an address is found under iPAddress alone (RFC 9525 6.2, RFC 5280 4.2.1.6)"
        facts = {"got": f"the DNS name {asked}", "wanted": "the address of the same letters"}
        yield certs.cause_of(case, reason, PEERS, CERTAIN, evidence, **facts)
        return
    yield certs.cause_of(
        case, reason, PEERS, CERTAIN, "we connected by address, and the certificate is for names"
    )


# -- authentication ----------------------------------------------------------------------------------------


def _no_certificate(case: Case) -> Iterator[Likely]:
    named = case.trusted
    yield case.likely(
        Cause.NO_CERTIFICATE, PEERS, LIKELY, f"we asked for one of {named}, and the client answered with none"
    )
    yield case.likely(
        Cause.CERTIFICATE_WITHHELD, PEERS, POSSIBLE,
        detail=f"it has none of a CA that we name ({named}), and clients send no other",
    )  # fmt: skip


def _wrong_proof(case: Case) -> Iterator[Likely]:
    yield case.likely(
        Cause.KEY_MISMATCH, PEERS, LIKELY, "its signature does not verify under its certificate"
    )
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _key_and_suite(case: Case) -> Iterator[Likely]:
    error = case.refusal
    yield case.likely(Cause.PEER_CONFIGURED_WRONG, PEERS, LIKELY, error.sentence)
    yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, detail=error.sentence)


# -- hellos ------------------------------------------------------------------------------------------------


def _version(case: Case) -> Iterator[Likely]:
    detail = _difference(case)
    party = OURS if len(case.ours.versions) == 1 else PEERS
    yield case.likely(Cause.NO_SHARED_VERSION, party, CERTAIN, detail=detail)


def _difference(case: Case) -> str:
    """Say what each side has: the fault's own facts."""
    error = case.refusal
    facts = error.facts
    if "accepted" in facts:
        return f"the {error.peer} has {_few(facts.get('offered'))}; we accept {_few(facts.get('accepted'))}"
    return f"the {error.peer} chose {_few(facts.get('got'))}; we offered {_few(facts.get('offered'))}"


def _few(values: object) -> str:
    """Return the first of several names, without what is only a signal."""
    if isinstance(values, (list, tuple)):
        return listed([shown(each) for each in values if not str(each).endswith("_SCSV")])
    return shown(values)


def _suites(case: Case) -> Iterator[Likely]:
    offered = case.seen.offer.suites if case.seen.offer is not None else ()
    signals = {CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV, CipherSuite.TLS_FALLBACK_SCSV}
    real = [each for each in offered if each not in signals]
    detail = _difference(case)
    if real and KEY_TRANSPORT.issuperset(real):
        yield case.likely(
            Cause.ONLY_KEY_TRANSPORT, PEERS, CERTAIN, f"all that it offers are of that kind: {detail}"
        )
        return
    yield case.likely(Cause.NO_SHARED_SUITE, PEERS, CERTAIN, detail=detail)


def _groups(case: Case) -> Iterator[Likely]:
    yield case.likely(Cause.NO_SHARED_GROUP, PEERS, CERTAIN, detail=_difference(case))


def _schemes(case: Case) -> Iterator[Likely]:
    error = case.refusal
    detail = sentence("it accepts {offered}, and our key can make {accepted}", error.facts)
    yield case.likely(Cause.NO_SHARED_SCHEME, OURS, CERTAIN, detail=detail)


def _protocols(case: Case) -> Iterator[Likely]:
    yield case.likely(Cause.NO_SHARED_PROTOCOL, PEERS, CERTAIN, detail=_difference(case))


def _unserved_name(case: Case) -> Iterator[Likely]:
    error = case.refusal
    own = [name for chain in case.ours.own for name in _dns_names(chain)]
    evidence = f"our certificates are for {', '.join(own)}" if own else ""
    yield case.likely(
        Cause.NAME_NOT_SERVED, PEERS, CERTAIN, evidence, name=error.facts.get("name", "?"), other="our side"
    )


def _dns_names(chain: Chain) -> tuple[str, ...]:
    return next((names_of(leaf).dns for leaf in parsed(chain[:1])), ())


def _fallback(case: Case) -> Iterator[Likely]:
    yield case.likely(Cause.FELL_BACK, PEERS, LIKELY)
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _interference(case: Case) -> Iterator[Likely]:
    error = case.refusal
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, LIKELY, error.sentence)
    yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, detail=error.sentence)


# -- records and order -------------------------------------------------------------------------------------


def _not_tls(case: Case) -> Iterator[Likely]:
    error = case.refusal
    start = error.facts.get("start")
    head = bytes(start) if isinstance(start, (bytes, bytearray)) else b""
    other = recognise(head)
    saw = f"its first bytes are {head!r}" + (f", as of {other.value}" if other is not None else "")
    protocol = None if case.is_client else _asks_for_tls(head)
    if protocol is not None:
        yield case.likely(Cause.STARTTLS_CLIENT, PEERS, CERTAIN, saw, protocol=protocol)
        return
    cause = (PLAIN_SERVERS if case.is_client else PLAIN_CLIENTS).get(other)
    if cause is not None:
        database = (
            "mysql"
            if other is OtherProtocol.MYSQL
            else "postgres"
            if other is OtherProtocol.POSTGRESQL
            else ""
        )
        yield case.likely(cause, PEERS, CERTAIN, saw, database=database)
        return
    yield case.likely(Cause.SPEAKS_PLAIN if case.is_client else Cause.OUR_PLAIN_PORT, PEERS, LIKELY, saw)
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _asks_for_tls(head: bytes) -> str | None:
    """Name the protocol in whose words a client asks for TLS, by its first five bytes."""
    if head[:4] == b"\0\0\0\x08":
        return "PostgreSQL"
    if head[:1] == b"\x30" and head[2:4] == b"\x02\x01":
        return "LDAP"
    return {b"<?xml": "XMPP", b"<stre": "XMPP", b"EHLO ": "SMTP", b"HELO ": "SMTP"}.get(head)


PLAIN_SERVERS: Mapping[OtherProtocol | None, Cause] = {
    OtherProtocol.HTTP_ANSWER: Cause.SPEAKS_HTTP,
    OtherProtocol.SSH: Cause.SPEAKS_SSH,
    OtherProtocol.MAIL_OR_FILES: Cause.SPEAKS_MAIL,
    OtherProtocol.POP3: Cause.SPEAKS_MAIL,
    OtherProtocol.IMAP: Cause.SPEAKS_MAIL,
    OtherProtocol.MANAGE_SIEVE: Cause.SPEAKS_MAIL,
    OtherProtocol.MYSQL: Cause.SPEAKS_DATABASE,
    OtherProtocol.POSTGRESQL: Cause.SPEAKS_DATABASE,
    OtherProtocol.PROXY_HEADER: Cause.PROXY_HEADER,
    OtherProtocol.SSL2: Cause.OLD_SSL,
}
PLAIN_CLIENTS: Mapping[OtherProtocol | None, Cause] = {
    OtherProtocol.HTTP_REQUEST: Cause.HTTP_CLIENT,
    OtherProtocol.PROXY_HEADER: Cause.PROXY_HEADER,
    OtherProtocol.SSL2: Cause.OLD_SSL,
}


def _altered(case: Case) -> Iterator[Likely]:
    error = case.refusal
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, LIKELY, error.sentence)
    yield case.likely(Cause.RECORDS_DIFFER, BETWEEN)
    yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, detail=error.sentence)


def _unexpected(case: Case) -> Iterator[Likely]:
    error = case.refusal
    got = error.facts.get("got")
    if case.progress in (Progress.ACCEPTED, Progress.JUDGED) and got == "certificate_request":
        yield case.likely(
            Cause.WANTS_CERTIFICATE_LATER, PEERS, CERTAIN, "it sent a CertificateRequest after its Finished"
        )
        return
    if not case.is_client and case.progress is Progress.ACCEPTED and got == "client_hello":
        yield case.likely(Cause.WANTS_RENEGOTIATION, PEERS, CERTAIN, "it sent a second ClientHello")
        return
    yield from _broken(case)


def _broken(case: Case) -> Iterator[Likely]:
    error = case.refusal
    yield case.likely(
        Cause.PEER_BREAKS_RULES, PEERS, LIKELY, f"{error.rule} forbids it", detail=error.sentence
    )
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _too_much(case: Case) -> Iterator[Likely]:
    """A bound of ours, within what the protocol allows."""
    error = case.refusal
    yield case.likely(Cause.BEYOND_OUR_LIMITS, PEERS, LIKELY, detail=error.sentence)
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _early_data(case: Case) -> Iterator[Likely]:
    error = case.refusal
    yield case.likely(Cause.RESUMPTION, PEERS, LIKELY, error.sentence)
    yield from _broken(case)


def _not_let_in(case: Case) -> Iterator[Likely]:
    """Our own rules, about a client that is trusted or anonymous."""
    if case.their_chain:
        yield case.likely(Cause.NOT_LET_IN, PEERS, CERTAIN, detail=case.refusal.sentence)
    else:
        yield case.likely(Cause.NO_CERTIFICATE, PEERS, CERTAIN, detail=case.refusal.sentence)


RULES: Mapping[Fault, Rule] = {
    Fault.NOT_TLS: _not_tls,
    Fault.BAD_RECORD: _altered,
    Fault.BAD_FINISHED: _altered,
    Fault.DOWNGRADED: _interference,
    Fault.BAD_RENEGOTIATION_INFO: _interference,
    Fault.CHANGED_HELLO: _interference,
    Fault.WRONG_COOKIE: _interference,
    Fault.WRONG_SESSION_ID: _interference,
    Fault.UNEXPECTED_MESSAGE: _unexpected,
    Fault.MESSAGE_TOO_LONG: _too_much,
    Fault.TOO_MANY_EMPTY_RECORDS: _too_much,
    Fault.TOO_MANY_KEY_UPDATES: _too_much,
    Fault.EARLY_DATA: _early_data,
    Fault.RESUMED_UNKNOWN_SESSION: _early_data,
    Fault.UNSUPPORTED_VERSION: _version,
    Fault.UNOFFERED_VERSION: _version,
    Fault.NO_SHARED_CIPHER_SUITE: _suites,
    Fault.NO_SHARED_GROUP: _groups,
    Fault.NO_SHARED_SCHEME: _schemes,
    Fault.NO_SHARED_APPLICATION_PROTOCOL: _protocols,
    Fault.UNKNOWN_SERVER_NAME: _unserved_name,
    Fault.NO_EXTENDED_MAIN_SECRET: one(Cause.NO_EXTENDED_MAIN_SECRET, PEERS, CERTAIN),
    Fault.NO_SECURE_RENEGOTIATION: one(Cause.NO_SECURE_RENEGOTIATION, PEERS, CERTAIN),
    Fault.NEEDLESS_FALLBACK: _fallback,
    Fault.NO_CERTIFICATE: _no_certificate,
    Fault.ACCESS_REFUSED: _not_let_in,
    Fault.BAD_CERTIFICATE_VERIFY: _wrong_proof,
    Fault.SCHEME_DOES_NOT_FIT_KEY: _wrong_proof,
    Fault.KEY_DOES_NOT_FIT_SUITE: _key_and_suite,
    Fault.HANDSHAKE_TIMEOUT: network.late,
}
