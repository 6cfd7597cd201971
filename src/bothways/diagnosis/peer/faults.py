"""The causes for which we refuse a peer: for each row of the table of faults its usual causes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bothways.describe.messages import listed
from bothways.diagnosis.case import Case, Rule, one, parsed
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.own_side import hello as own_hello
from bothways.diagnosis.own_side.hello import KEY_TRANSPORT
from bothways.diagnosis.own_side.key_kinds import kinds_of_key
from bothways.diagnosis.peer import network, plain_clients, psks
from bothways.diagnosis.peer.certificate import refused_for
from bothways.diagnosis.situation import Chain
from bothways.errors import PeerFault
from bothways.faults import Fault, Reason, sentence, shown
from bothways.iana import CipherSuite, ProtocolVersion
from bothways.roles import Progress
from bothways.tls.handshake.settings import VERSIONS
from bothways.trust.path.chain_links import follows
from bothways.trust.path.name_matching import names_of

CERTAIN, LIKELY, POSSIBLE = Weight.CERTAIN, Weight.LIKELY, Weight.POSSIBLE
OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN


def refused(case: Case) -> Iterator[Likely]:
    """Return the causes of our refusal."""
    error = case.refusal
    if error.fault.check is not None:
        reasons = error.reasons or (Reason(error.fault, 0, "", error.facts),)
        yield from refused_for(case, reasons)
    else:
        yield from RULES.get(error.fault, _broken)(case)


# -- authentication ----------------------------------------------------------------------------------------


def _no_certificate(case: Case) -> Iterator[Likely]:
    named = case.trusted
    yield case.likely(
        Cause.NO_CERTIFICATE, PEERS, LIKELY, f"we asked for one of {named}, and the client answered with none"
    )
    yield case.likely(
        Cause.CERTIFICATE_WITHHELD, PEERS, POSSIBLE,
        detail=f"it has none of a CA that our request names ({named}), and clients send no other",
    )  # fmt: skip


def _no_certificate_after_ech(case: Case) -> Iterator[Likely]:
    """A client that could not be decrypted shows none (RFC 9849 6.1.7); one that sends grease may have none."""
    yield case.likely(
        Cause.ECH_OUTDATED,
        PEERS,
        LIKELY,
        "we could not decrypt its ClientHello, and it then sent no certificate",
    )
    yield from _no_certificate(case)


def _not_decrypted(case: Case) -> Iterator[Likely]:
    """The server has authenticated itself for the public name, so its answer is its own (RFC 9849 6.1.6)."""
    if case.refusal.facts.get("is_disabled"):
        yield case.likely(Cause.ECH_NOT_DECRYPTED, PEERS, CERTAIN, case.refusal.sentence)
    else:
        yield case.likely(Cause.ECH_OUTDATED, OURS, CERTAIN, case.refusal.sentence)


def _wrong_proof(case: Case) -> Iterator[Likely]:
    """The proof is by another key than that of the first certificate, which is a CA's where their order is wrong."""
    evidence = "its signature does not verify with the key of its certificate"
    first = case.peer_chain[:1]
    others = [each for each in case.peer_chain[1:] if first and follows(each, first[0])]
    if others:
        evidence += (
            f"; that one, sent first, is of the CA that issued {others[0].subject_text}, which it sent later"
        )
        order = "put its own certificate first in its file, and those of the CAs behind it"
        yield case.likely(Cause.KEY_MISMATCH, PEERS, LIKELY, evidence, fitting=order)
        return
    yield case.likely(Cause.KEY_MISMATCH, PEERS, LIKELY, evidence)
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _key_and_suite(case: Case) -> Iterator[Likely]:
    error = case.refusal
    yield case.likely(Cause.PEER_CONFIGURED_WRONG, PEERS, LIKELY, error.sentence)
    yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, detail=error.sentence)


# -- hellos ------------------------------------------------------------------------------------------------


def _version(case: Case) -> Iterator[Likely]:
    detail = _difference(case)
    got = case.refusal.facts.get("got")
    known = [ProtocolVersion(code).name for code in VERSIONS.values()]
    if own_hello.wants_13(case):
        detail = f"{detail}; {own_hello.wants_13(case)} of TLS 1.3 alone here"
        yield case.likely(Cause.NO_SHARED_VERSION, PEERS, CERTAIN, detail=detail, enabling="TLS 1.3")
        return
    is_ours = len(case.own_side.versions) == 1 and (got is None or str(got) in known)
    party = OURS if is_ours else PEERS
    yield case.likely(Cause.NO_SHARED_VERSION, party, CERTAIN, detail=detail)


def _difference(case: Case) -> str:
    """Return what each side has, by the facts of the fault."""
    error = case.refusal
    facts = error.facts
    if "accepted" in facts:
        return f"the {error.peer} has {_few(facts.get('offered'))}; we accept {_few(facts.get('accepted'))}"
    return f"the {error.peer} chose {_few(facts.get('got'))}; we offered {_few(facts.get('offered'))}"


def _few(values: object) -> str:
    """Return the first of several names, without signalling values."""
    if isinstance(values, (list, tuple)):
        return listed([shown(each) for each in values if not str(each).endswith("_SCSV")])
    return shown(values)


def _suites(case: Case) -> Iterator[Likely]:
    offered = case.observed.offer.suites if case.observed.offer is not None else ()
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
    detail = sentence("it accepts {offered}, and our key can use {accepted}", error.facts)
    offered = case.observed.offer.versions if case.observed.offer is not None else ()
    shared = max(set(offered) & set(case.own_side.versions), default=None)
    facts = kinds_of_key(case.peer_schemes, shared, case.role.peer)
    yield case.likely(Cause.NO_SHARED_SCHEME, OURS, CERTAIN, detail=detail, **facts)


def _other_kind(case: Case) -> Iterator[Likely]:
    """One side has certificates alone and the other raw public keys alone (RFC 7250 4.2)."""
    yield case.likely(Cause.OTHER_KIND_OF_IDENTITY, PEERS, CERTAIN, detail=case.refusal.sentence)


def _our_curves(case: Case) -> Iterator[Likely]:
    detail = sentence("it offers {offered}, and our certificates have {accepted}", case.refusal.facts)
    yield case.likely(Cause.CURVE_NOT_OFFERED, OURS, CERTAIN, detail=detail)


def _curve(case: Case) -> Iterator[Likely]:
    detail = sentence("it has {got}, and we offered {offered}", case.refusal.facts)
    yield case.likely(Cause.CURVE_NOT_OFFERED, PEERS, CERTAIN, detail=detail, other="our side")


def _protocols(case: Case) -> Iterator[Likely]:
    yield case.likely(Cause.NO_SHARED_PROTOCOL, PEERS, CERTAIN, detail=_difference(case))


def _unoffered_protocol(case: Case) -> Iterator[Likely]:
    """RFC 7301 3.2 forbids it; servers of HTTP/1.1 alone have always answered so."""
    got = shown(case.refusal.facts.get("got"))
    offer = got if got == "http/1.1" else "PROTOCOL"
    evidence = (
        "servers of HTTP/1.1 alone answer so, such as Apache without mod_http2" if got == "http/1.1" else ""
    )
    facts = {"detail": _difference(case), "offer": offer}
    yield case.likely(Cause.NO_SHARED_PROTOCOL, OURS, LIKELY, evidence, **facts)
    yield from _broken(case)


def _unserved_name(case: Case) -> Iterator[Likely]:
    error = case.refusal
    own = [name for chain in case.own_side.own for name in _dns_names(chain)]
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


def _altered(case: Case) -> Iterator[Likely]:
    error = case.refusal
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN, LIKELY, error.sentence)
    yield case.likely(Cause.RECORDS_DIFFER, BETWEEN)
    yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, detail=error.sentence)


def answers_by_hello(case: Case) -> bool:
    """Whether a server answers as only a client of TLS, or an echo of us, does."""
    is_first = case.is_client and case.progress is Progress.HELLO
    return is_first and isinstance(case.error, PeerFault) and case.error.facts.get("got") == "client_hello"


def _unexpected(case: Case) -> Iterator[Likely]:
    error = case.refusal
    got = error.facts.get("got")
    if case.progress in (Progress.ACCEPTED, Progress.JUDGED) and got == "certificate_request":
        yield case.likely(
            Cause.WANTS_CERTIFICATE_LATER, PEERS, CERTAIN, "it sent a CertificateRequest after its Finished"
        )
        return
    if answers_by_hello(case):
        evidence = "it answered our ClientHello by one, as services do that send back what they get"
        yield case.likely(Cause.SPEAKS_PLAIN, PEERS, LIKELY, evidence)
        return
    if not case.is_client and case.progress is Progress.ACCEPTED and got == "client_hello":
        yield case.likely(Cause.WANTS_RENEGOTIATION, PEERS, CERTAIN, "it sent a second ClientHello")
        return
    yield from _broken(case)


def _unexpected_record(case: Case) -> Iterator[Likely]:
    """What is no record behind our certificate is plain text of a client that refuses it: so LDAP's clients do."""
    protocol = plain_clients.gave_up_tls(case)
    if not protocol:
        yield from _broken(case)
        return
    seen = f"it goes on without TLS, in {protocol}, and sent nothing in TLS"
    for number, each in enumerate(network.not_taken(case)):
        yield each if number else replace(each, evidence="; ".join(filter(None, (each.evidence, seen))))
    yield case.likely(Cause.GAVE_UP, PEERS, POSSIBLE, seen)
    yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, POSSIBLE, detail=case.refusal.sentence)


def _broken(case: Case) -> Iterator[Likely]:
    error = case.refusal
    yield case.likely(
        Cause.PEER_BREAKS_RULES, PEERS, LIKELY, f"it is forbidden by {error.rule}", detail=error.sentence
    )
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _limit_exceeded(case: Case) -> Iterator[Likely]:
    """A limit of ours, within what the protocol allows."""
    error = case.refusal
    if error.fault is Fault.MESSAGE_TOO_LONG and error.facts.get("message") == "certificate":
        detail = f"{error.facts['length']} bytes, as of a bundle of CAs in the file of its chain"
        yield case.likely(Cause.CHAIN_TOO_LARGE, PEERS, LIKELY, error.sentence, detail=detail)
    yield case.likely(Cause.BEYOND_OUR_LIMITS, PEERS, LIKELY, detail=error.sentence)
    yield case.likely(Cause.DEVICE_BETWEEN, BETWEEN)


def _bad_binder(case: Case) -> Iterator[Likely]:
    """A client that has lost the key of its session, or a hello that somebody altered."""
    yield case.likely(Cause.RESUMPTION, PEERS, LIKELY, case.refusal.sentence)
    yield from _altered(case)


def _early_data(case: Case) -> Iterator[Likely]:
    error = case.refusal
    yield case.likely(Cause.RESUMPTION, PEERS, LIKELY, error.sentence)
    yield from _broken(case)


def _not_authorized(case: Case) -> Iterator[Likely]:
    """Our own rules do not allow a client that is trusted or anonymous."""
    if case.peer_chain or case.observed.sees_raw_key or case.observed.by_psk:
        yield case.likely(Cause.NOT_LET_IN, PEERS, CERTAIN, detail=case.refusal.sentence)
    else:
        yield case.likely(Cause.NO_CERTIFICATE, PEERS, CERTAIN, detail=case.refusal.sentence)


RULES: Mapping[Fault, Rule] = {
    Fault.NOT_TLS: plain_clients.not_tls,
    Fault.BAD_RECORD: _altered,
    Fault.BAD_FINISHED: _altered,
    Fault.BAD_BINDER: _bad_binder,
    Fault.UNKNOWN_PSK: psks.unknown,
    Fault.PSK_NOT_CHOSEN: psks.not_chosen,
    Fault.DOWNGRADED: _interference,
    Fault.BAD_RENEGOTIATION_INFO: _interference,
    Fault.CHANGED_HELLO: _interference,
    Fault.WRONG_COOKIE: _interference,
    Fault.WRONG_SESSION_ID: _interference,
    Fault.UNEXPECTED_MESSAGE: _unexpected,
    Fault.UNEXPECTED_RECORD: _unexpected_record,
    Fault.MESSAGE_TOO_LONG: _limit_exceeded,
    Fault.TOO_MANY_EMPTY_RECORDS: _limit_exceeded,
    Fault.TOO_MANY_KEY_UPDATES: _limit_exceeded,
    Fault.EARLY_DATA: _early_data,
    Fault.RESUMED_UNKNOWN_SESSION: _early_data,
    Fault.UNSUPPORTED_VERSION: _version,
    Fault.UNOFFERED_VERSION: _version,
    Fault.NO_SHARED_CIPHER_SUITE: _suites,
    Fault.NO_SHARED_GROUP: _groups,
    Fault.NO_SHARED_SCHEME: _schemes,
    Fault.NO_SHARED_CERTIFICATE_TYPE: _other_kind,
    Fault.UNOFFERED_CERTIFICATE_TYPE: _other_kind,
    Fault.NO_CERTIFICATE_ON_OFFERED_CURVE: _our_curves,
    Fault.CERTIFICATE_ON_UNOFFERED_CURVE: _curve,
    Fault.NO_SHARED_APPLICATION_PROTOCOL: _protocols,
    Fault.UNOFFERED_APPLICATION_PROTOCOL: _unoffered_protocol,
    Fault.UNKNOWN_SERVER_NAME: _unserved_name,
    Fault.NO_EXTENDED_MAIN_SECRET: one(Cause.NO_EXTENDED_MAIN_SECRET, PEERS, CERTAIN),
    Fault.NO_SECURE_RENEGOTIATION: one(Cause.NO_SECURE_RENEGOTIATION, PEERS, CERTAIN),
    Fault.NEEDLESS_FALLBACK: _fallback,
    Fault.NO_CERTIFICATE: _no_certificate,
    Fault.NO_CERTIFICATE_AFTER_ECH: _no_certificate_after_ech,
    Fault.ECH_REJECTED: _not_decrypted,
    Fault.ACCESS_REFUSED: _not_authorized,
    Fault.BAD_CERTIFICATE_VERIFY: _wrong_proof,
    Fault.SCHEME_DOES_NOT_FIT_KEY: _wrong_proof,
    Fault.KEY_DOES_NOT_FIT_SUITE: _key_and_suite,
    Fault.HANDSHAKE_TIMEOUT: network.timed_out,
    Fault.NO_ANSWER_TO_REQUEST: network.timed_out,
    Fault.DATA_BEFORE_CERTIFICATE: _limit_exceeded,
}
