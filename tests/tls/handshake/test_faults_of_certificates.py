"""Everything that a certificate can be refused for, met in a handshake: by clients, and by servers.

The sender has the key of the certificate that it sends, so that nothing but its chain is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from bothways import Established, Fault, TrustStore
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.wire.flight import Message
from bothways.tls.wire.tls13 import Certificate, CertificateEntry
from bothways.trust.crl.revocation_list import crls_in
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from pair import pair
from pki import DAY, NOW, Issued, altered, crl, der, intermediate, issue, key, leaf, root
from raw_certificates import NAME_CONSTRAINTS, general_name, raw, sequence
from tamper import Edit, Outgoing, Refusal, altering, refused
from tls.handshake.conversations import authority, client_config, identity, server_config

NAMES = {Role.SERVER: "localhost", Role.CLIENT: "client.example"}
BAD, UNSUPPORTED = Alert.BAD_CERTIFICATE, Alert.UNSUPPORTED_CERTIFICATE
RSA = {"key_kind": "RSA-2048"}
ANY_POLICY_MAPPED = bytes.fromhex("300f300d0604551d20000605 2a03040501".replace(" ", ""))

Chain = Callable[[Role], Iterable[bytes]]


def shows(sender: Role, chain: Chain) -> Edit:
    """Show this chain; the keys in it are made when it is shown."""

    def edit(message: Message, nth: int) -> tuple[Outgoing, ...]:
        if not isinstance(message, Certificate):
            return (message,)
        return (Certificate(b"", tuple(CertificateEntry(der, ()) for der in chain(sender))),)

    return edit


def own(sender: Role, by: Issued | None, **options: Any) -> Issued:
    """A certificate for the sender's name and key."""
    return leaf(by, NAMES[sender], **{"own_key": identity(NAMES[sender]).key} | options)


def under_root(**options: Any) -> Chain:
    """The sender's certificate under a good intermediate, with something wrong in itself."""
    return lambda sender: own(sender, authority(), **options).chain


def under_ca(**options: Any) -> Chain:
    """The sender's certificate under an intermediate with something wrong."""
    return lambda sender: own(sender, intermediate(authority().above[0], "Odd CA", **options)).chain


def sha224(sender: Role) -> list[bytes]:
    """A certificate that says it is signed with SHA-224."""
    pkcs1 = bytes.fromhex("2a864886f70d0101")
    ca = intermediate(authority().above[0], "RSA CA", **RSA)
    return [own(sender, ca).der.replace(pkcs1 + b"\x0b", pkcs1 + b"\x0e"), ca.der]


def too_deep(sender: Role) -> list[bytes]:
    above = authority().above[0]
    for level in range(10):
        above = intermediate(above, f"Level {level}")
    return own(sender, above).chain


def labyrinth(sender: Role) -> list[bytes]:
    """CAs of one name, each issued by the next: who looks for an issuer has to try them all."""
    keys = [key("P-384", 700 + each) for each in range(14)]
    halls = [
        root("Maze", own_key=mine, signed_by=next_key, key_identifiers=False)
        for mine, next_key in pairwise(keys)
    ]
    return [own(sender, halls[0], key_identifiers=False).der, *(each.der for each in reversed(halls))]


def mapped() -> tuple[x509.ExtensionType, bool]:
    return (x509.UnrecognizedExtension(ExtensionOID.POLICY_MAPPINGS, ANY_POLICY_MAPPED), True)


def constrained(**names: list[x509.GeneralName] | None) -> Chain:
    both = {"permitted_subtrees": None, "excluded_subtrees": None} | names
    return under_ca(extra=[(x509.NameConstraints(**both), True)])


LIMITED = raw(
    NAME_CONSTRAINTS, sequence(der(0xA0, sequence(general_name("DNS", b"example"), der(0x80, b"\1")))), True
)


def excluding(sender: Role) -> list[bytes]:
    return list(constrained(excluded_subtrees=[x509.DNSName(NAMES[sender])])(sender))


@cache
def listed(sender: Role) -> Issued:
    """A good certificate of the sender's, until a CRL lists it."""
    return own(sender, authority())


def lists(*ders: bytes) -> Revocation:
    """These revocation lists, and whoever is not known from them is refused."""
    return Revocation(crls=CRLStore([each for der in ders for each in crls_in(der, "test")]))


def checked(sender: Role, *ders: bytes) -> dict[str, Any]:
    """The option of the sender's peer, which has these CRLs."""
    return {"client" if sender is Role.SERVER else "server": {"revocation": lists(*ders)}}


def revocations(sender: Role) -> Iterable[Refusal]:
    """What lists can say against a certificate, and what they leave unsaid."""
    ca, top, mine = authority(), authority().above[0], listed(sender)
    good_above, good = crl(top), crl(ca)
    rows = (
        ("on its CA's list", Fault.REVOKED, Alert.CERTIFICATE_REVOKED, (good_above, crl(ca, mine))),
        ("its CA on the root's list", Fault.REVOKED, Alert.CERTIFICATE_REVOKED, (crl(top, ca), good)),
        ("without any list", Fault.REVOCATION_UNKNOWN, Alert.CERTIFICATE_UNKNOWN, ()),
        ("without its CA's list", Fault.REVOCATION_UNKNOWN, Alert.CERTIFICATE_UNKNOWN, (good_above,)),
        (
            "by a list of last week",
            Fault.REVOCATION_UNKNOWN,
            Alert.CERTIFICATE_UNKNOWN,
            (good_above, crl(ca, next_update=NOW - DAY / 2)),
        ),
        (
            "by a list that another signed",
            Fault.REVOCATION_UNKNOWN,
            Alert.CERTIFICATE_UNKNOWN,
            (good_above, crl(ca, signed_by=key("P-256", 1))),
        ),
    )
    step = {Role.SERVER: "2.3c", Role.CLIENT: "3.3c"}[sender]
    for what, fault, alert, ders in rows:
        yield Refusal(
            f"the {sender.value}, {what}",
            sender,
            fault,
            alert,
            shows(sender, lambda sender: listed(sender).chain),
            step=step,
            **checked(sender, *ders),
        )
    stapled = {"revocation": replace(lists(good_above, good), staples="require")}
    yield Refusal(
        f"the {sender.value}, on no list, but without a staple",
        sender,
        Fault.STAPLE_REQUIRED,
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
        shows(sender, lambda sender: listed(sender).chain),
        step=step,
        **{"client" if sender is Role.SERVER else "server": stapled},
    )


UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")

BOTH_WAYS: tuple[tuple[str, Fault, Alert, Chain, str], ...] = (
    ("no certificate at all", Fault.BAD_ENCODING, BAD, lambda _: [b"garbage"], ""),
    ("half of one", Fault.BAD_ENCODING, BAD, lambda sender: [own(sender, authority()).der[:-40]], ""),
    (
        "garbage above it",
        Fault.BAD_ENCODING,
        BAD,
        lambda sender: [own(sender, authority()).der, b"\x30"],
        "a",
    ),
    ("17 of them", Fault.CHAIN_TOO_LARGE, BAD, lambda sender: [own(sender, authority()).der] * 17, "a"),
    (
        "an authority that nobody knows",
        Fault.NO_PATH,
        Alert.UNKNOWN_CA,
        lambda sender: own(sender, intermediate(root("Elsewhere"))).chain,
        "a",
    ),
    (
        "the leaf without its intermediate",
        Fault.NO_PATH,
        Alert.UNKNOWN_CA,
        lambda sender: [own(sender, authority()).der],
        "a",
    ),
    ("signed by itself", Fault.NO_PATH, Alert.UNKNOWN_CA, lambda sender: [own(sender, None).der], "a"),
    ("a labyrinth", Fault.PATH_SEARCH_EXHAUSTED, BAD, labyrinth, "a"),
    ("ten intermediates", Fault.PATH_TOO_LONG, Alert.UNKNOWN_CA, too_deep, "a"),
    (
        "one bit of its signature",
        Fault.BAD_CERTIFICATE_SIGNATURE,
        BAD,
        lambda sender: altered(own(sender, authority())).chain,
        "a",
    ),
    (
        "SHA-1",
        Fault.WEAK_HASH,
        BAD,
        lambda sender: own(sender, intermediate(authority().above[0], "RSA CA", **RSA), digest="SHA1").chain,
        "a",
    ),
    ("SHA-224", Fault.UNSUPPORTED_SIGNATURE, UNSUPPORTED, sha224, "a"),
    ("an intermediate of RSA 1024", Fault.WEAK_KEY, BAD, under_ca(key_kind="RSA-1024"), "a"),
    (
        "yesterday",
        Fault.CERTIFICATE_EXPIRED,
        Alert.CERTIFICATE_EXPIRED,
        under_root(not_after=NOW - DAY),
        "b",
    ),
    (
        "the intermediate, yesterday",
        Fault.CERTIFICATE_EXPIRED,
        Alert.CERTIFICATE_EXPIRED,
        under_ca(not_after=NOW - DAY),
        "b",
    ),
    (
        "tomorrow",
        Fault.CERTIFICATE_NOT_YET_VALID,
        Alert.CERTIFICATE_EXPIRED,
        under_root(not_before=NOW + DAY),
        "b",
    ),
    (
        "issued by a leaf",
        Fault.NOT_A_CA,
        BAD,
        lambda sender: (
            own(sender, issue("Leaf CA", authority(), ca=False, key_usage=("key_cert_sign",))).chain
        ),
        "a",
    ),
    (
        "a CA below one that may have none",
        Fault.PATH_LENGTH_EXCEEDED,
        BAD,
        lambda sender: (
            own(
                sender, intermediate(intermediate(authority().above[0], "Last", path_length=0), "One more")
            ).chain
        ),
        "a",
    ),
    ("crl_sign alone", Fault.KEY_MAY_NOT_SIGN_CERTIFICATES, BAD, under_ca(key_usage=("crl_sign",)), "a"),
    (
        "for key agreement alone",
        Fault.WRONG_KEY_USAGE,
        UNSUPPORTED,
        under_root(key_usage=("key_agreement",)),
        "a",
    ),
    (
        "for signing code",
        Fault.WRONG_EXTENDED_KEY_USAGE,
        UNSUPPORTED,
        under_root(usage=("codeSigning",)),
        "a",
    ),
    (
        "of the other role",
        Fault.WRONG_EXTENDED_KEY_USAGE,
        UNSUPPORTED,
        lambda sender: (
            own(sender, authority(), usage=("clientAuth" if sender is Role.SERVER else "serverAuth",)).chain
        ),
        "a",
    ),
    (
        "1.2.3.4",
        Fault.UNKNOWN_CRITICAL_EXTENSION,
        UNSUPPORTED,
        under_root(extra=[(UNKNOWN_EXTENSION, True)]),
        "a",
    ),
    (
        "outside of what is permitted",
        Fault.NAME_NOT_PERMITTED,
        BAD,
        constrained(permitted_subtrees=[x509.DNSName("other.example")]),
        "a",
    ),
    ("excluded", Fault.NAME_EXCLUDED, BAD, excluding, "a"),
    ("of a kind with a minimum", Fault.NAME_NOT_COMPARABLE, BAD, under_ca(extra=[LIMITED]), "a"),
    (
        "required by the CA, and none is there",
        Fault.NO_VALID_POLICY,
        BAD,
        under_ca(extra=[(x509.PolicyConstraints(0, None), True)]),
        "a",
    ),
    ("anyPolicy", Fault.BAD_POLICY_MAPPING, BAD, under_ca(extra=[mapped()]), "a"),
)

REFUSALS = (
    *(
        Refusal(
            f"the {sender.value}, {what}",
            sender,
            fault,
            alert,
            shows(sender, chain),
            step={Role.SERVER: "2.3", Role.CLIENT: "3.3"}[sender] + letter if letter else None,
        )
        for what, fault, alert, chain, letter in BOTH_WAYS
        for sender in Role
    ),
    *(row for sender in Role for row in revocations(sender)),
    Refusal(
        "another name",
        Role.SERVER,
        Fault.NAME_MISMATCH,
        BAD,
        shows(Role.SERVER, under_root(alternatives=["DNS:other.example"])),
        step="2.3a",
    ),
    Refusal(
        "a common name alone",
        Role.SERVER,
        Fault.NO_SERVER_NAMES,
        BAD,
        shows(Role.SERVER, under_root(alternatives=[])),
        step="2.3a",
    ),
    Refusal(
        "no usage, to who judges by the web profile",
        Role.SERVER,
        Fault.NOT_A_WEB_CERTIFICATE,
        BAD,
        shows(Role.SERVER, under_root(usage=None)),
        step="2.3a",
        client={"anchors": TrustStore([authority().above[0].der], profile="web")},
    ),
)


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_certificate_is_refused(case: Refusal) -> None:
    """RFC 9846 6.2, RFC 5280 6.1: the first reason by precedence makes the alert, and all are told."""
    error = refused(case, client_config(**case.client), server_config(**case.server))
    if case.step is not None:
        assert error.reasons[0].fault is case.fault


def test_refusal_lists_all_reasons_and_sends_the_first_by_precedence() -> None:
    """Signature before validity before purpose before name."""
    wrong = under_root(not_after=NOW - DAY, usage=("codeSigning",), alternatives=["DNS:other.example"])
    case = Refusal(
        "everything at once",
        Role.SERVER,
        Fault.CERTIFICATE_EXPIRED,
        Alert.CERTIFICATE_EXPIRED,
        shows(Role.SERVER, wrong),
        step="2.3b",
    )
    error = refused(case, client_config(), server_config())
    assert [reason.fault for reason in error.reasons] == [
        Fault.CERTIFICATE_EXPIRED,
        Fault.WRONG_EXTENDED_KEY_USAGE,
        Fault.NAME_MISMATCH,
    ]
    assert str(error).count("Also: ") == 2


def test_client_with_a_common_name_alone_is_accepted() -> None:
    """Many real client certificates have no subjectAltName."""
    with altering(Role.CLIENT, shows(Role.CLIENT, under_root(alternatives=[]))):
        talk = pair(client_config(), server_config())
        talk.exchange()
    assert isinstance(talk.server_events[-1], Established)


@pytest.mark.parametrize("sender", Role)
def test_good_certificate_on_no_list_is_accepted(sender: Role) -> None:
    """RFC 5280 6.3.3: the lists of the whole path are there, and none has it."""
    good = checked(sender, crl(authority().above[0]), crl(authority()))
    with altering(sender, shows(sender, lambda sender: listed(sender).chain)):
        talk = pair(client_config(**good.get("client", {})), server_config(**good.get("server", {})))
        talk.exchange()
    assert talk.client.established and talk.server.established
