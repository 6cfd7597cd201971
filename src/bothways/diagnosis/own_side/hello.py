"""What the peer may have refused in our hello: versions, suites, groups, schemes, ALPN, server name, size.

A rule examines one question and yields the causes that it finds, with the evidence for them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from bothways.describe.messages import listed, version
from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.near_names import is_address
from bothways.diagnosis.own_side.rare_suites import RARE_SUITES, suite_names
from bothways.diagnosis.situation import Probed
from bothways.iana import Alert, CipherSuite, NamedGroup, SignatureScheme, group_names, names
from bothways.roles import Version
from bothways.tls.crypto.groups import CLASSIC_GROUPS
from bothways.tls.crypto.signing import SCHEMES, SCHEMES12
from bothways.tls.handshake.settings import KEY_TRANSPORT_SUITES, PREFERRED_GROUPS, SUITES, VERSIONS

CERTAIN, LIKELY, POSSIBLE = Weight.CERTAIN, Weight.LIKELY, Weight.POSSIBLE
OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN


def probed(case: Case) -> Iterator[Likely]:
    """Compare what the server chose in probes with what we offer, which excludes all guesses."""
    found = case.situation.probed
    if found is None or not case.is_client:
        return
    if found.pre_shared:
        detail = "it has only those with a pre-shared key (PSK) or a password (SRP), without a certificate"
        evidence = "a hello that offers those was answered, and one that offers all others was not"
        yield case.likely(Cause.NO_SHARED_SUITE, PEERS, LIKELY, evidence, detail=detail)
    if not found.versions:
        return
    if refused := _version_found(case, found):
        yield from refused
        return
    yield from _suite_found(case, found) or _group_found(case, found) or _fits(case, found)
    yield from _version_left_out(case, found)


def _version_found(case: Case, found: Probed) -> list[Likely]:
    if set(found.versions) & set(case.own_side.versions):
        return []
    spoken = listed([version(code) for code in dict.fromkeys(found.versions)])
    usable = not found.suites or {int(CipherSuite[each]) for each in SUITES} & set(found.suites)
    party = OURS if usable and set(found.versions) & set(VERSIONS.values()) else PEERS
    if wants_13(case):
        return [_wants_13(case, LIKELY, PROBE)]
    detail = f"it supports only {spoken}, and we offer {listed([version(code) for code in case.own_side.versions])}"
    if not usable:
        detail += f"; of its cipher suites there, such as {listed(suite_names(found.suites))}, we have none"
    return [case.likely(Cause.NO_SHARED_VERSION, party, LIKELY, PROBE, detail=detail)]


def _version_left_out(case: Case, found: Probed) -> Iterator[Likely]:
    """It speaks a version too that we could offer, where none of its other parameters is the reason."""
    ours = set(case.own_side.versions)
    if more := set(found.versions) & set(VERSIONS.values()) - ours:
        detail = (
            f"it supports {listed([version(code) for code in more])} too, "
            f"and we offer {listed([version(code) for code in case.own_side.versions])} alone"
        )
        yield case.likely(Cause.NO_SHARED_VERSION, OURS, LIKELY, PROBE, detail=detail)


def _suite_found(case: Case, found: Probed) -> list[Likely]:
    if not found.suites or set(found.suites) & set(case.own_side.suites):
        return []
    spelled = listed(suite_names(found.suites))
    if KEY_TRANSPORT.issuperset(found.suites):
        return [_only_key_transport(case, found, spelled)]
    known = {int(CipherSuite[each]) for each in SUITES}
    party = OURS if known & set(found.suites) else PEERS
    detail = f"it has {spelled}, and none of ours"
    evidence = PROBE
    if set(found.suites) <= set(RARE_SUITES):
        evidence = (
            "a hello that offers rare cipher suites was answered, and one that offers all others was not"
        )
    return [case.likely(Cause.NO_SHARED_SUITE, party, LIKELY, evidence, detail=detail)]


def _only_key_transport(case: Case, found: Probed, spelled: str) -> Likely:
    """Suites with GCM can be allowed on our side; those with CBC or older ciphers we do not have."""
    evidence = f"{PROBE}: it chose {spelled}"
    if OWN_KEY_TRANSPORT.isdisjoint(found.suites):
        evidence += ", which we do not have; with RSA key transport we have AES-GCM alone"
        return case.likely(Cause.ONLY_KEY_TRANSPORT, PEERS, LIKELY, evidence)
    return case.likely(Cause.ONLY_KEY_TRANSPORT, OURS, LIKELY, evidence, classic="--classic")


def _group_found(case: Case, found: Probed) -> list[Likely]:
    if not found.groups or set(found.groups) & set(case.own_side.groups):
        return []
    theirs, ours = (listed(group_names(each)) for each in (found.groups, case.own_side.groups))
    party = OURS if set(PREFERRED_GROUPS) & set(names(NamedGroup, found.groups)) else PEERS
    detail = f"it has {theirs}, and we offer {ours}"
    return [case.likely(Cause.NO_SHARED_GROUP, party, LIKELY, PROBE, detail=detail)]


def _fits(case: Case, found: Probed) -> list[Likely]:
    """We offer everything that it chose: what it refuses is in the schemes, the groups, or the size of our hello."""
    match found.differs:
        case "schemes":
            return [
                _scheme_left_out(case, "a hello with all schemes was answered, and one with ours was not")
            ]
        case "groups":
            return [_curve_left_out(case)]
        case "nothing":
            return _unseen_in_probes(case, found)
        case "size":
            evidence = "a hello with the same content was answered, and the same one with padding was not"
            return [
                replace(each, weight=LIKELY, evidence=f"{each.evidence}; {evidence}")
                for each in _large_hello(case)
            ]
    if case.alert in CHOICE_ALERTS and _leaves_out_schemes(case):
        return [_scheme_left_out(case, f"{PROBE}, which has all schemes")]
    return [
        replace(each, evidence=f"{each.evidence}; smaller hellos, with other content, are answered")
        for each in _large_hello(case)
    ]


def _unseen_in_probes(case: Case, found: Probed) -> list[Likely]:
    """In TLS 1.3 probes end at a HelloRetryRequest, before the server looks for a scheme."""
    if case.alert not in CHOICE_ALERTS or Version.TLS13 not in found.versions:
        return []
    return [
        _scheme_left_out(case, "its version, suite and group are among ours, and a larger hello was answered")
    ]


def _curve_left_out(case: Case) -> Likely:
    detail = f"we offer {listed(group_names(case.own_side.groups))}"
    evidence = "a hello with all groups was answered, and one with ours was not"
    return case.likely(Cause.CURVE_NOT_OFFERED, PEERS, LIKELY, evidence, detail=detail, other="our side")


PROBE = "a hello that offers everything was answered"
# Alerts of a server that has decoded a hello, and can choose nothing in it.
CHOICE_ALERTS = (Alert.HANDSHAKE_FAILURE, Alert.INSUFFICIENT_SECURITY)
# TLS_RSA_WITH_...: with RC4, 3DES, AES-CBC, Camellia, SEED, AES-GCM, CCM (RFC 5246 A.5, 5288, 6655, 4162, 5932).
KEY_TRANSPORT = frozenset(
    (0x01, 0x02, 0x04, 0x05, 0x07, 0x09, 0x0A, 0x2F, 0x35, 0x3B, 0x3C, 0x3D, 0x41, 0x84, 0x96, 0x9C, 0x9D, 0xBA,
     0xC0, 0xC09C, 0xC09D, 0xC0A0, 0xC0A1)
)  # fmt: skip


OWN_KEY_TRANSPORT = frozenset(int(CipherSuite[each]) for each in KEY_TRANSPORT_SUITES)


def wants_13(case: Case) -> str:
    """Return what of our configuration is of TLS 1.3 alone, where a client offers no other version; else ""."""
    if not case.is_client or tuple(case.own_side.versions) != (Version.TLS13,):
        return ""
    if case.observed.offers_raw_keys:
        return "raw public keys, which our configuration uses, are"
    if case.own_side.has_psks:
        return "external pre-shared keys, which our configuration uses, are"
    return "an encrypted ClientHello (ECH) is" if case.own_side.ech else ""


def _wants_13(case: Case, weight: Weight, evidence: str) -> Likely:
    detail = f"{wants_13(case)} of TLS 1.3 alone here"
    return case.likely(
        Cause.NO_SHARED_VERSION, PEERS, weight, evidence, detail=detail, enabling="TLS 1.3", no_command=True
    )


def versions(case: Case) -> Iterator[Likely]:
    """Whether we offer fewer versions than we could."""
    found = case.situation.probed
    if found is not None and (found.versions or case.alert != Alert.PROTOCOL_VERSION):
        return
    if found is not None:
        yield from _every_version_refused(case, found)
    offered = listed([version(code) for code in case.own_side.versions])
    if wants_13(case):
        yield _wants_13(case, LIKELY, "it refused a hello of TLS 1.3 alone")
    elif case.own_side.versions and len(case.own_side.versions) < len(VERSIONS):
        detail = f"we offer {offered} alone"
        yield case.likely(
            Cause.NO_SHARED_VERSION, OURS, LIKELY, "our configuration leaves out the other", detail=detail
        )
    else:
        detail = f"we offer {offered}, it supports only older ones"
        if not case.own_side.versions:  # nothing is known of our hello
            detail = "it supports only older ones than were offered"
        yield case.likely(Cause.NO_SHARED_VERSION, PEERS, POSSIBLE, detail=detail)


def _every_version_refused(case: Case, found: Probed) -> Iterator[Likely]:
    """A hello that offers TLS 1.1 is refused by another alert where it is the version that is allowed."""
    evidence = (
        "it refuses every version from TLS 1.0 on by the same alert, also in a hello that offers everything"
    )
    if not found.allows_old:
        detail = "its key fits no version that it allows, such as one on a brainpool curve in TLS 1.3 alone"
        seen = f"{evidence}: so OpenSSL does where it has no certificate for the version that it allows"
        yield case.likely(Cause.NO_SHARED_SCHEME, PEERS, LIKELY, seen, detail=detail, other="our side")
    else:
        evidence = (
            "it refuses hellos of TLS 1.3 and 1.2 alone for their versions, and those that offer TLS 1.1 for "
            "another reason"
        )
    detail = (
        "it allows TLS 1.1 or older alone, which it cannot use itself: OpenSSL 3 has nothing for those versions at "
        "its usual security level"
    )
    yield case.likely(Cause.NO_SHARED_VERSION, PEERS, LIKELY, evidence, detail=detail)


def suites(case: Case) -> Iterator[Likely]:
    """Whether we offer fewer suites than we could, or the server has only old ones."""
    if case.situation.probed is not None:
        return
    offered = names(CipherSuite, case.own_side.suites)
    if case.own_side.suites and _leaves_out(case, offered):
        detail, evidence = f"we offer {listed(offered)}", "our configuration leaves others out"
        yield case.likely(Cause.NO_SHARED_SUITE, OURS, LIKELY, evidence, detail=detail)
    detail = "it has only old ones: with CBC, finite-field DHE or RSA key transport"
    yield case.likely(Cause.NO_SHARED_SUITE, PEERS, POSSIBLE, detail=detail)
    if not any(each.startswith("TLS_RSA_") for each in offered):
        yield case.likely(Cause.ONLY_KEY_TRANSPORT, OURS, POSSIBLE)


def _leaves_out(case: Case, offered: list[str]) -> bool:
    """Whether our configuration omits suites of a version that it allows."""
    versions = {
        Version.TLS12 if "_WITH_" in each else Version.TLS13 for each in SUITES if each not in offered
    }
    return any(each in case.own_side.versions for each in versions)


def groups(case: Case) -> Iterator[Likely]:
    """Whether we offer fewer groups than we could."""
    if case.situation.probed is not None:
        return
    offered = names(NamedGroup, case.own_side.groups)
    could = _usable(case, [int(NamedGroup[each]) for each in PREFERRED_GROUPS], CLASSIC_GROUPS)
    missing = [each for each in group_names(could) if each not in offered]
    if case.own_side.groups and missing:
        detail = f"we offer {listed(offered)}"
        evidence = f"our configuration leaves out {listed(missing)}"
        yield case.likely(Cause.NO_SHARED_GROUP, OURS, LIKELY, evidence, detail=detail)
    else:
        yield case.likely(Cause.NO_SHARED_GROUP, PEERS, POSSIBLE, detail="it has only rare ones")


def left_out(case: Case) -> Iterator[Likely]:
    """What our configuration leaves out, for a server that closes in place of an alert, as gRPC does.

    Whoever offers no group that is usual has met none that has it.
    """
    usual = {int(NamedGroup.x25519), int(NamedGroup.secp256r1)}
    is_rare = usual.isdisjoint(case.own_side.groups)
    for rule, told in ((groups, is_rare), (suites, False), (schemes, False)):
        for each in rule(case):
            if each.weight is LIKELY:
                yield replace(each, weight=LIKELY if told else POSSIBLE)


def later_groups(case: Case) -> Iterator[Likely]:
    """The same after a ServerHello: in TLS 1.3 that has chosen a group."""
    if case.observed.version != Version.TLS13:
        yield from groups(case)


def schemes(case: Case) -> Iterator[Likely]:
    """Whether we offer too few schemes for the server's key."""
    if case.situation.probed is not None:
        return
    if _leaves_out_schemes(case):
        yield _scheme_left_out(case, "our configuration leaves others out")
    else:
        yield case.likely(Cause.NO_SHARED_SCHEME, PEERS, POSSIBLE, detail="it is of a rare kind")


def _leaves_out_schemes(case: Case) -> bool:
    could = _usable(case, SCHEMES, SCHEMES12)
    return bool(case.own_side.schemes) and set(case.own_side.schemes) < set(could)


def _usable(case: Case, codes: Iterable[int], in_12: Collection[int]) -> list[int]:
    """Return those that a version which we offer has: TLS 1.2 has neither hybrid groups nor ML-DSA."""
    versions = case.own_side.versions
    return [each for each in codes if not versions or Version.TLS13 in versions or each in in_12]


def _scheme_left_out(case: Case, evidence: str) -> Likely:
    detail = f"we accept {listed(names(SignatureScheme, case.own_side.schemes))}"
    return case.likely(Cause.NO_SHARED_SCHEME, PEERS, LIKELY, evidence, detail=detail, other="our side")


def protocols(case: Case) -> Iterator[Likely]:
    """Whether the server supports none of the application protocols (ALPN) that we offer."""
    ours = [each.decode("utf-8", "replace") for each in case.own_side.protocols]
    detail = f"we offer {listed(ours)}"
    if not case.own_side.versions:  # nothing is known of our hello
        detail = "it supports none of those that were offered"
    weight = CERTAIN if ours else LIKELY
    facts = dict(OF_OTHER_SERVICES) if case.own_side.starttls else {}
    if ours == ["http/1.1"]:
        facts = {
            "offering": f"{OFFER_HTTP2}, or what else the server supports",
            "offer": "h2",
            "given_alpn": "",
        }
    yield case.likely(Cause.NO_SHARED_PROTOCOL, OURS, weight, "", detail=detail, **facts)


OFFER_HTTP2 = "offer h2 too (--alpn h2 --alpn http/1.1; `bothways get` does so without --http 1.1)"
# Services of other protocols than HTTP need no ALPN.
OF_OTHER_SERVICES: Mapping[str, object] = {
    "offering": "offer no protocol (leave --alpn out), or the one of this service",
    "offer": "",
    "given_alpn": "",
}


def nothing_accepted(case: Case) -> Iterator[Likely]:
    """A server that refuses whatever is offered, with a name and without, has nothing to choose itself."""
    found = case.situation.probed
    by_address = is_address(case.own_side.server_name)
    seen = None if found is None else replace(found, allows_old=False)
    if case.is_client and seen == (Probed(differs_by_name=False) if by_address else Probed()):
        names = "without a server name and with one alike" if by_address else "with our name and without one"
        evidence = (
            f"it refuses hellos with every registered cipher suite, {names}, as a server does whose certificate fits "
            "none of its cipher suites"
        )
        yield case.likely(Cause.PEER_CONFIGURED_WRONG, PEERS, LIKELY, evidence)


def name(case: Case) -> Iterator[Likely]:
    """The server name that we sent, or that we sent none."""
    asked, found = case.own_side.server_name, case.situation.probed
    if not case.is_client or (found is not None and (found.versions or found.pre_shared)):
        return  # it answered hellos with that name
    if is_address(asked):
        differs = found is not None and found.differs_by_name
        evidence = "a hello with a server name is answered otherwise than one without" if differs else ""
        yield case.likely(Cause.NO_NAME_SENT, OURS, LIKELY if differs else POSSIBLE, evidence, name=asked)
    else:
        nameless = case.alert is not None and found is not None and found.without_name
        evidence = "a hello without a server name was answered" if nameless else ""
        weight = LIKELY if nameless else POSSIBLE
        yield case.likely(Cause.NAME_NOT_SERVED, OURS, weight, evidence, name=asked or "that we asked for")


def name_not_served(case: Case) -> Iterator[Likely]:
    """The server says by its alert that it does not have the name."""
    for each in name(case):
        sent_one = each.cause is Cause.NAME_NOT_SERVED
        weight, evidence = CERTAIN, "that is what the alert says"
        if not sent_one:
            weight, evidence = LIKELY, f"{evidence}; some servers send it whatever the name is"
        yield case.likely(each.cause, each.party, weight, evidence, name=each.facts["name"])
        if not sent_one:
            yield case.likely(Cause.PEER_CONFIGURED_WRONG, PEERS, POSSIBLE, "as where it has no site at all")


def large_hello(case: Case) -> Iterator[Likely]:
    """A large hello may be the reason, if no probe, which is small, showed another one."""
    if case.situation.probed is None:
        yield from _large_hello(case)


def _large_hello(case: Case) -> Iterator[Likely]:
    """A hello with a post-quantum key share needs two packets, which some devices do not process."""
    shares = [NamedGroup(code).name for code in case.own_side.shares if "MLKEM" in NamedGroup(code).name]
    if shares:
        yield case.likely(
            Cause.LARGE_HELLO,
            BETWEEN,
            POSSIBLE,
            f"ours carries a share for {listed(shares)}, more than 1 KiB",
            **_smaller(case),
        )


def _smaller(case: Case) -> dict[str, object]:
    """Return the groups without post-quantum ones that the server was found to have, for a command."""
    found = case.situation.probed
    known = names(NamedGroup, found.groups) if found is not None else []
    small = [each for each in PREFERRED_GROUPS if each in known and "MLKEM" not in each]
    return {"groups": ",".join(small)} if small else {}
