"""Who a client is, in header fields that nobody can read in two ways."""

from __future__ import annotations

import hashlib
import random
import re
import string
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bothways.gateway.config.http import IDENTITY_FIELDS
from bothways.gateway.http.identity_fields import MOST_BYTES, forwarded_client_cert, identity_fields
from bothways.http.proxy import shown_chain
from bothways.tls.events import Peer
from bothways.trust import Names, Trusted
from gateway_talk import Setting
from http_callers import peer
from trust.access.test_kinds import trusted

ELEMENT = re.compile(
    r"(?:By=(?:\"[^\"\\]*\"|[^\",;=\\]*);)*"
    r"Hash=[0-9a-f]{64}"
    r"(?:;Subject=\"(?:[^\"\\]|\\[0-9A-F]{2})*\")?"
    r"(?:;URI=(?:\"[^\"\\]*\"|[^\",;=\\]*))*"
    r"(?:;DNS=[^\",;=\\]*)*"
)


def named(common_name: str, **names: tuple[str, ...]) -> Peer:
    """A verified client whose names were chosen by whoever wrote its certificate."""
    verdict = trusted(subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
    assert isinstance(verdict, Trusted)
    fields = Names(verdict.names.subject, **names)  # type: ignore[arg-type]
    return Peer(replace(verdict, names=fields))


def test_a_service_reads_the_chain_of_the_verified_client(setting: Setting) -> None:
    """By our own reader of RFC 9440; the trust anchor is left out."""
    mine = peer(setting.mutual)
    found = identity_fields(mine, (), IDENTITY_FIELDS)
    chain = shown_chain(found)
    assert chain == [each.public_bytes(Encoding.DER) for each in mine.path[:-1]]
    assert [name for name, _ in identity_fields(mine, (), ["client-cert"])] == [b"client-cert"]


def test_envoys_field_has_the_hash_the_subject_and_the_names(setting: Setting) -> None:
    mine = peer(setting.mutual)
    digest = hashlib.sha256(mine.certificate.public_bytes(Encoding.DER)).hexdigest()
    assert forwarded_client_cert(mine, ["spiffe://a.example/gateway"]) == (
        f'By=spiffe://a.example/gateway;Hash={digest};Subject="CN=good client";'
        "URI=spiffe://testing.example/client;DNS=client.example"
    )


@pytest.mark.parametrize(
    ("common_name", "told"),
    [
        ('x";URI=spiffe://evil', r"CN=x\22\3BURI=spiffe://evil"),
        ("back\\", r"CN=back\5C"),
        ("Zoë\r\nX: y", r"CN=Zo\C3\AB\0D\0AX: y"),
        ("a,O=Other", r"CN=a\2CO=Other"),
        (" #x ", r"CN=\20#x\20"),
    ],
)
def test_a_subject_is_the_same_name_without_what_ends_a_value(common_name: str, told: str) -> None:
    """RFC 4514 2.4: a pair of hexadecimal digits stands for any octet."""
    made = forwarded_client_cert(named(common_name), ())
    assert f';Subject="{told}"' in made
    quoted = re.search('Subject="([^"]*)"', made)
    assert quoted is not None
    [attribute] = x509.Name.from_rfc4514_string(quoted[1])
    assert attribute.value == common_name


def test_names_that_are_none_are_left_out_and_those_with_separators_quoted() -> None:
    uris = ("spiffe://a/b", "urn:x,y;z=1", 'urn:"', "urn:\\", "urn:a b", "urn:\r\nX:y", "no-uri", "urn:é")
    names = ("a.example", "*.b.example", 'c"d', "e f", "x,DNS=admin.example", "-")
    made = forwarded_client_cert(named("x", uri=uris, dns=names), ["no uri"])
    assert made.endswith(';URI=spiffe://a/b;URI="urn:x,y;z=1";DNS=a.example;DNS=*.b.example')
    assert "By=" not in made


def test_no_name_at_all_breaks_out_of_its_value(full: bool) -> None:
    """Read back with the strictest grammar, whatever the names are."""
    chance = random.Random(15)
    alphabet = string.printable + "\"\\;,=%'\x00\x7fé☃" * 4
    for _ in range(3000 if full else 150):
        texts = ["".join(chance.choices(alphabet, k=chance.randint(1, 24))) for _ in range(4)]
        mine = named(texts[0][:60], uri=("urn:" + texts[1],), dns=(texts[2],))
        made = forwarded_client_cert(mine, ["urn:" + texts[3]])
        assert ELEMENT.fullmatch(made), made
        assert made.isascii() and made.isprintable()


def test_a_certificate_that_is_too_long_for_a_header_is_reported(setting: Setting) -> None:
    mine = peer(setting.mutual)
    many = tuple(f"{number}.{'a' * 60}.example" for number in range(MOST_BYTES // 60))
    verdict = replace(mine.verdict, names=Names("CN=x", dns=many))
    with pytest.raises(OSError, match="too long for header fields"):
        identity_fields(Peer(verdict), (), ["x-forwarded-client-cert"])
