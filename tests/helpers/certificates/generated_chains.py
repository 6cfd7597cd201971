"""Generated chains: a root, an intermediate and a server's leaf, changed in up to two ways.

`CHANGES` says of each change whether the chain is still acceptable, by the RFCs or docs/defaults.md; it is if all its
changes are.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import combinations

from cryptography import x509

from pki import DAY, NOW, Issued, der, intermediate, key, leaf, name, parts, root
from raw_certificates import (
    ALTERNATIVE_NAMES,
    NAME_CONSTRAINTS,
    Raw,
    alternatives,
    edited,
    general_name,
    raw,
    sequence,
    smtp_utf8_mailbox,
    with_extensions,
)
from raw_keys import EC, NULL, PSS, explicit_p256, of_algorithm, pss_parameters, rsa_key

Certificate = Issued | Raw

SERVER = "server.example"
SEED = 5280


@dataclass
class Plan:
    """What a chain is made of; a change edits it."""

    top: dict[str, object] = field(default_factory=dict)
    middle: dict[str, object] = field(default_factory=dict)
    end: dict[str, object] = field(default_factory=dict)
    extra: dict[str, list] = field(default_factory=lambda: {"top": [], "middle": [], "end": []})
    sent: list[Callable[[list[Certificate]], list[Certificate]]] = field(default_factory=list)
    edits: dict[str, Callable[[Certificate], Certificate]] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """A chain as it is sent, and its anchor."""

    chain: tuple[Certificate, ...]
    anchor: Certificate


def make(changes: tuple[str, ...]) -> Made:
    plan = Plan()
    for change in changes:
        CHANGES[change][0](plan)
    top = root("Top", extra=plan.extra["top"], **plan.top)
    middle = intermediate(top, "Middle", extra=plan.extra["middle"], **plan.middle)
    end = leaf(middle, SERVER, extra=plan.extra["end"], **plan.end)
    sent = [plan.edits.get("end", _same)(end), plan.edits.get("middle", _same)(middle)]
    for edit in plan.sent:
        sent = edit(sent)
    return Made(tuple(sent), plan.edits.get("top", _same)(top))


def _same(certificate: Certificate) -> Certificate:
    return certificate


def option(level: str, **options: object) -> Callable[[Plan], None]:
    return lambda plan: getattr(plan, level).update(options)


def extension(level: str, value: x509.ExtensionType, critical: bool) -> Callable[[Plan], None]:
    return lambda plan: plan.extra[level].append((value, critical))


def sending(edit: Callable[[list[Certificate]], list[Certificate]]) -> Callable[[Plan], None]:
    return lambda plan: plan.sent.append(edit)


def edit(level: str, *leave_out: str, **parts: bytes) -> Callable[[Plan], None]:
    """Put other parts into the DER of a certificate, and sign it anew."""
    return lambda plan: plan.edits.update({level: lambda issued: edited(issued, *leave_out, **parts)})


def both(*changes: Callable[[Plan], None]) -> Callable[[Plan], None]:
    def change(plan: Plan) -> None:
        for each in changes:
            each(plan)

    return change


def named(*encoded: bytes) -> Callable[[Plan], None]:
    """Give the leaf these alternative names beside the one that is asked for."""
    own = general_name("DNS", SERVER.encode())
    return both(option("end", alternatives=[]), extension("end", *alternatives(own, *encoded)))


def constrained(
    permitted: tuple[bytes, ...] = (), excluded: tuple[bytes, ...] = ()
) -> Callable[[Plan], None]:
    """Let the intermediate constrain names, by encoded subtrees."""
    lists = [
        der(tag, b"".join(map(sequence, trees)))
        for tag, trees in ((0xA0, permitted), (0xA1, excluded))
        if trees
    ]
    return extension("middle", *raw(NAME_CONSTRAINTS, sequence(*lists), True))


def names(*permitted: x509.GeneralName, excluded: tuple[x509.GeneralName, ...] = ()) -> x509.NameConstraints:
    return x509.NameConstraints(list(permitted) or None, list(excluded) or None)


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)])
CA_USAGE = ("key_cert_sign", "crl_sign")
OWN_SUBTREE = general_name("DNS", b"example")
MAIL_HOST, MAILBOX = general_name("EMAIL", b"host.example"), general_name("EMAIL", b"me@host.example")
MINIMUM, NO_MINIMUM, MAXIMUM = der(0x80, b"\1"), der(0x80, b"\0"), der(0x81, b"\5")
EMBEDDED = general_name("IP", bytes.fromhex("00000000000000000000ffff0a010203"))
TEN, HOLES = (
    general_name("IP", bytes([10, 0, 0, 0, 255, 0, 0, 0])),
    general_name("IP", bytes([10, 0, 0, 0, 255, 0, 255, 0])),
)
X400 = general_name("X400", sequence())
SUBJECT_IN_T61 = sequence(
    der(0x31, sequence(der(0x06, bytes.fromhex("550403")), der(0x14, b"SERVER.example")))
)
NOBODYS_QUALIFIER = sequence(
    sequence(der(0x06, b"\x2a\x03"), sequence(sequence(der(0x06, b"\x2a\x04"), b"\5\0")))
)
POINTS = x509.CRLDistributionPoints(
    [x509.DistributionPoint([x509.UniformResourceIdentifier("http://a.example/list")], None, None, None)]
)
ECDSA_SHA256 = der(0x06, bytes.fromhex("2a8648ce3d040302"))
RSA_KEY, EC_KEY = key("RSA-2048", 901), key("P-256", 901)


def until(tag: int, text: str) -> bytes:
    """A period of validity that ends so."""
    return sequence(der(0x17, b"260501120000Z"), der(tag, text.encode()))


def exponent(number: int) -> Callable[[Plan], None]:
    modulus = RSA_KEY.public_key().public_numbers().n
    return both(option("end", own_key=RSA_KEY), edit("end", key=rsa_key(modulus, number)))


def bound_to_pss(*parameters: bytes) -> Callable[[Plan], None]:
    """Bind the intermediate's key to RSASSA-PSS."""
    return both(
        option("middle", own_key=RSA_KEY),
        edit("middle", key=of_algorithm(RSA_KEY, PSS, *parameters)),
    )


def defaults_written_out(plan: Plan) -> None:
    plan.edits["end"] = with_extensions(lambda found: [_uncritical(each) for each in found])


def _uncritical(extension: bytes) -> bytes:
    """An extension whose criticality is written out where it is false."""
    inner = [extension[at:stop] for at, stop in parts(extension)]
    return sequence(inner[0], b"\1\1\0", inner[1]) if len(inner) == 2 else extension


# change -> (how, acceptable)
CHANGES: dict[str, tuple[Callable[[Plan], None], bool]] = {
    "nothing": (lambda _: None, True),
    # validity
    "leaf expired": (option("end", not_before=NOW - 9 * DAY, not_after=NOW - DAY), False),
    "leaf not yet valid": (option("end", not_before=NOW + DAY), False),
    "intermediate expired": (option("middle", not_before=NOW - 9 * DAY, not_after=NOW - DAY), False),
    "intermediate not yet valid": (option("middle", not_before=NOW + DAY), False),
    "anchor expired": (option("top", not_before=NOW - 9 * DAY, not_after=NOW - DAY), False),
    # path
    "leaf altered": (option("end", broken=True), False),
    "intermediate altered": (option("middle", broken=True), False),
    "leaf signed by another key": (option("end", signed_by=key("P-256", 900), digest="SHA256"), False),
    "intermediate missing": (sending(lambda sent: sent[:1]), False),
    "leaf names another issuer": (option("end", issuer_name=name("Nobody")), False),
    "anchor sent too": (sending(lambda sent: [*sent, *sent[-1].above[:1]]), True),
    "stranger sent too": (sending(lambda sent: [*sent, root("Stranger")]), True),
    "intermediate sent twice": (sending(lambda sent: [*sent, sent[-1]]), True),
    "issuer named in capitals": (option("end", issuer_name=name("MIDDLE")), True),
    "no key identifiers": (
        lambda plan: [each.update(key_identifiers=False) for each in (plan.top, plan.middle, plan.end)],
        True,
    ),
    "no key identifiers in the leaf": (option("end", key_identifiers=False), True),
    # what a CA must be
    "intermediate without basic constraints": (option("middle", ca=None), False),
    "intermediate is not a CA": (option("middle", ca=False), False),
    "intermediate may not sign": (option("middle", key_usage=("crl_sign",)), False),
    "intermediate without key usage": (option("middle", key_usage=None), True),
    "anchor without key usage": (option("top", key_usage=None), True),
    "anchor without basic constraints": (option("top", ca=None), False),
    "anchor is not a CA": (option("top", ca=False), False),
    "anchor may not sign": (option("top", key_usage=("crl_sign",)), False),
    "anchor allows one intermediate": (option("top", path_length=1), True),
    "anchor allows no intermediate": (option("top", path_length=0), False),
    "intermediate allows no CA below": (option("middle", path_length=0), True),
    # what a key may be used for
    "leaf for clients": (option("end", usage=("clientAuth",)), False),
    "leaf without extended key usage": (option("end", usage=None), True),
    "leaf for any usage": (option("end", usage=("any",)), True),
    "intermediate for clients": (option("middle", usage=("clientAuth",)), False),
    "intermediate for servers": (option("middle", usage=("serverAuth",)), True),
    "intermediate for any usage": (option("middle", usage=("any",)), True),
    "anchor for clients": (option("top", usage=("clientAuth",)), False),
    "leaf that may not sign": (option("end", key_usage=("key_agreement",)), False),
    "leaf without key usage": (option("end", key_usage=None), True),
    "leaf is a CA": (option("end", ca=True, key_usage=("digital_signature", *CA_USAGE)), True),
    "leaf without basic constraints": (option("end", ca=None), True),
    # extensions
    "leaf with an unknown critical extension": (extension("end", UNKNOWN, True), False),
    "intermediate with an unknown critical extension": (extension("middle", UNKNOWN, True), False),
    "leaf with an unknown extension": (extension("end", UNKNOWN, False), True),
    "leaf under a policy": (extension("end", POLICY, False), True),
    "intermediate demands a policy": (extension("middle", x509.PolicyConstraints(0, None), True), False),
    # names
    "leaf for another name": (option("end", alternatives=["DNS:other.example"]), False),
    "leaf for a wildcard": (option("end", alternatives=["DNS:*.example"]), False),
    "leaf with a common name alone": (option("end", alternatives=[]), False),
    "leaf with critical names": (option("end", critical_alternatives=True), True),
    "leaf in capitals": (option("end", alternatives=["DNS:SERVER.example"]), True),
    "leaf with more names": (
        option("end", alternatives=["DNS:b.example", f"DNS:{SERVER}", "IP:192.0.2.1", "URI:spiffe://example/a"]),
        True,
    ),
    "permitted DNS name": (extension("middle", names(x509.DNSName("example")), True), True),
    "permitted other DNS name": (extension("middle", names(x509.DNSName("other.example")), True), False),
    "excluded DNS name": (extension("middle", names(excluded=(x509.DNSName(SERVER),)), True), False),
    "excluded other DNS name": (
        extension("middle", names(excluded=(x509.DNSName("a.example"),)), True), True,
    ),
    "permitted address": (extension("middle", names(x509.IPAddress(ip_network("192.0.2.0/24"))), True), True),
    "anchor permits other DNS name": (extension("top", names(x509.DNSName("other.example")), True), False),
    "permitted directory name": (
        extension("middle", names(x509.DirectoryName(name(SERVER))), True), True,
    ),
    "permitted other directory name": (
        extension("middle", names(x509.DirectoryName(name("other"))), True), False,
    ),
    # keys and hashes
    "leaf with RSA": (option("end", key_kind="RSA-2048"), True),
    "leaf with weak RSA": (option("end", key_kind="RSA-1024"), False),
    "leaf with P-224": (option("end", key_kind="P-224"), False),
    "leaf with P-521": (option("end", key_kind="P-521"), True),
    "leaf with Ed25519": (option("end", key_kind="Ed25519"), True),
    "intermediate with RSA": (option("middle", key_kind="RSA-2048"), True),
    "intermediate with Ed25519": (option("middle", key_kind="Ed25519"), True),
    "intermediate with weak RSA": (option("middle", key_kind="RSA-1024"), False),
    "leaf signed with SHA-1": (
        lambda plan: (plan.middle.update(key_kind="RSA-2048"), plan.end.update(digest="SHA1")), False,
    ),
    "leaf signed with SHA-512": (option("end", digest="SHA512"), True),
    # keys that say more than their numbers
    "intermediate bound to PSS": (bound_to_pss(), False),
    "intermediate bound to PSS, and signs so": (both(bound_to_pss(), option("end", pss=True)), True),
    "intermediate bound to PSS with SHA-256, and signs so": (
        both(bound_to_pss(pss_parameters("SHA256", 32)), option("end", pss=True)), True,
    ),
    "intermediate bound to PSS with SHA-384, and signs with SHA-256": (
        both(bound_to_pss(pss_parameters("SHA384", 48)), option("end", pss=True)), False,
    ),
    "intermediate on a curve without a name": (
        both(option("middle", own_key=EC_KEY), edit("middle", key=of_algorithm(EC_KEY, EC, explicit_p256()))), False,
    ),
    "leaf on a curve without a name": (
        both(option("end", own_key=EC_KEY), edit("end", key=of_algorithm(EC_KEY, EC, explicit_p256()))), False,
    ),
    "leaf with an exponent of 3": (exponent(3), True),
    "leaf with an even exponent": (exponent(65536), False),
    "leaf with a long exponent": (exponent(2**256 + 1), False),
    "leaf signed by ECDSA with parameters": (edit("end", algorithm=sequence(ECDSA_SHA256, NULL)), False),
    # versions, serial numbers, times
    "leaf of version 2": (edit("end", version=bytes.fromhex("a003020101")), False),
    "leaf of version 4": (edit("end", version=bytes.fromhex("a003020103")), False),
    "leaf with unique identifiers": (edit("end", uids=bytes.fromhex("8102000182020001")), True),
    "leaf with the serial number zero": (edit("end", serial=b"\2\1\0"), True),
    "leaf with a negative serial number": (edit("end", serial=b"\2\1\xff"), True),
    "leaf with a long serial number": (edit("end", serial=der(0x02, b"\x14" * 21)), True),
    "leaf with GeneralizedTime": (edit("end", validity=until(0x18, "20270501120000Z")), True),
    "leaf with fractions of a second": (edit("end", validity=until(0x18, "20270501120000.5Z")), False),
    "leaf without seconds": (edit("end", validity=until(0x17, "2705011200Z")), False),
    "leaf with an offset": (edit("end", validity=until(0x17, "270501120000+0000")), False),
    # alternative names
    "leaf with an X.400 address": (named(X400), True),
    "leaf with an EDI party name": (named(general_name("EDI", der(0xA1, der(0x0C, b"party")))), True),
    "leaf with a Kelvin sign in a name": (named(general_name("DNS", "\u212a.example".encode())), True),
    "leaf with a name in Latin-1": (named(general_name("DNS", b"\xfc.example")), True),
    "leaf with a malformed name": (named(general_name("DNS", b"a..example")), True),
    "leaf with an address of five octets": (named(general_name("IP", b"12345")), False),
    "leaf with a directory name that is none": (named(general_name("DN", sequence(der(0x31, b"")))), True),
    "leaf with an empty list of names": (
        both(option("end", alternatives=[]), extension("end", *alternatives())), False,
    ),
    # name constraints
    "subtree with a minimum": (constrained((OWN_SUBTREE + MINIMUM,)), False),
    "subtree with a maximum": (constrained((OWN_SUBTREE + MAXIMUM,)), False),
    "subtree of another kind with a minimum": (constrained((MAIL_HOST + MINIMUM,)), True),
    "subtree with a minimum of zero written out": (constrained((OWN_SUBTREE + NO_MINIMUM,)), True),
    "mailbox in UTF-8 elsewhere": (
        both(named(smtp_utf8_mailbox("m\u00fc@bad.example")), constrained((MAIL_HOST,))), False,
    ),
    "mailbox in UTF-8 at a permitted host": (
        both(named(smtp_utf8_mailbox("m\u00fc@host.example")), constrained((MAIL_HOST,))), True,
    ),
    "excluded mailbox in quotation marks": (
        both(named(general_name("EMAIL", b'"me"@host.example')), constrained((), (MAILBOX,))), False,
    ),
    "permitted mailbox in quotation marks": (
        both(named(general_name("EMAIL", b'"me"@host.example')), constrained((MAILBOX,))), True,
    ),
    "address that embeds an excluded one": (both(named(EMBEDDED), constrained((), (TEN,))), False),
    "address that embeds a permitted one": (both(named(EMBEDDED), constrained((TEN,))), False),
    "network with holes": (constrained((HOLES,)), False),
    "malformed name below a permitted one": (
        both(named(general_name("DNS", b"a..server.example")), constrained((OWN_SUBTREE,))), False,
    ),
    "malformed name beside an excluded one": (
        both(named(general_name("DNS", b"a b")), constrained((), (general_name("DNS", b"other.example"),))), False,
    ),
    "malformed excluded subtree": (constrained((), (general_name("DNS", b"*.other.example"),)), False),
    "malformed permitted subtree": (constrained((general_name("DNS", b"*.other.example"), OWN_SUBTREE)), True),
    "URI without a host below an excluded one": (
        both(named(general_name("URI", b"urn:a")), constrained((), (general_name("URI", b"host.example"),))), False,
    ),
    "constrained X.400 address": (both(named(X400), constrained((), (X400,))), False),
    "permitted directory name of another type": (constrained((general_name("DN", SUBJECT_IN_T61),)), True),
    # other extensions
    "leaf that is not a CA, written out": (
        both(option("end", ca=None), extension("end", *raw("2.5.29.19", bytes.fromhex("3003010100"), True))), True,
    ),
    "leaf with a path length": (
        both(option("end", ca=None), extension("end", *raw("2.5.29.19", bytes.fromhex("3003020100"), True))), True,
    ),
    "leaf with uncritical extensions written out": (defaults_written_out, False),
    "leaf with an unknown qualifier": (extension("end", *raw("2.5.29.32", NOBODYS_QUALIFIER)), True),
    "leaf with a critical unknown qualifier": (extension("end", *raw("2.5.29.32", NOBODYS_QUALIFIER, True)), False),
    "leaf with critical distribution points": (extension("end", POINTS, True), False),
    "leaf with distribution points": (extension("end", POINTS, False), True),
    # issuers
    "leaf names another key": (
        both(
            option("end", key_identifiers=False),
            extension("end", *raw("2.5.29.35", sequence(der(0x80, b"another key")))),
        ),
        True,
    ),
}  # fmt: skip


# Options that stand for each other: what one of them sets, another one, or an edit, would undo.
SIGNING = ("broken", "signed_by", "digest", "pss")
TOGETHER = {
    "own_key": ("key_kind",),
    "pss": SIGNING,
    "digest": SIGNING,
    "signed_by": SIGNING,
    "edit": (*SIGNING, "not_before", "not_after"),
}


def sample(count: int) -> list[tuple[str, ...]]:
    """Every single change, then pairs that do not edit the same place, drawn with a fixed seed."""
    pairs = [pair for pair in combinations(sorted(CHANGES), 2) if places(pair[0]).isdisjoint(places(pair[1]))]
    drawn = random.Random(SEED).sample(pairs, min(count, len(pairs)))
    return [(change,) for change in CHANGES] + drawn


def places(change: str) -> set[tuple[str, str]]:
    """Which options and extensions a change sets."""
    plan = Plan()
    CHANGES[change][0](plan)
    places = {(level, option) for level in ("top", "middle", "end") for option in getattr(plan, level)}
    places |= {(level, "edit") for level in plan.edits}
    places |= {(level, other) for level, option in places for other in TOGETHER.get(option, ())}
    places |= {(level, value.oid.dotted_string) for level in plan.extra for value, _ in plan.extra[level]}
    if ("end", ALTERNATIVE_NAMES) in places:  # whether those pass depends on what is constrained
        places |= {("middle", NAME_CONSTRAINTS), ("top", NAME_CONSTRAINTS)}
    return places
