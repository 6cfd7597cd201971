"""Choices, one by one: what is chosen from what both sides offer, and what is said when nothing can be."""

from __future__ import annotations

from typing import Any

import pytest

from bothways.faults import Blame, Fault, hint_of
from bothways.iana import CipherSuite
from bothways.tls.handshake.negotiation import (
    check_after_retry,
    check_encrypted_extensions,
    check_retry,
    check_second_hello,
    choose_group,
    choose_protocol,
    choose_suite,
    choose_version,
    client_versions,
    read_offer,
    request_schemes,
)
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import RETRY_RANDOM, ClientHello, ServerHello
from bothways.tls.wire.tls13 import CertificateRequest, EncryptedExtensions
from faults import blames

ECDSA, RSA_PSS, P384 = 0x0403, 0x0804, 0x0503
SHARE = ext.KeyShareEntry(29, b"\x09" + bytes(31))
REQUIRED = (
    ext.SupportedVersions((0x0304,)),
    ext.SupportedGroups((29, 23)),
    ext.SignatureAlgorithms((ECDSA, RSA_PSS)),
    ext.KeyShares((SHARE,)),
)


def hello(*extensions: ext.Extension, **fields: Any) -> ClientHello:
    values = {
        "legacy_version": 0x0303,
        "random": bytes(32),
        "legacy_session_id": b"",
        "cipher_suites": (0x1301, 0x1302),
        "legacy_compression_methods": b"\0",
        "extensions": extensions,
    }
    return ClientHello(**values | fields)


def answer(*extensions: ext.Extension, suite: int = 0x1301, random: bytes = bytes(32)) -> ServerHello:
    return ServerHello(0x0303, random, b"", suite, 0, extensions)


# -- versions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "accepted", "chosen"),
    [
        ((0x0304,), (0x0304,), 0x0304),
        ((0x0303, 0x0304), (0x0304, 0x0303), 0x0304),
        ((0x0304, 0x0303), (0x0303,), 0x0303),
        ((0x7A7A, 0x0304), (0x0303, 0x0304), 0x0304),
        ((0x0301, 0x0303), (0x0304, 0x0303), 0x0303),
    ],
)
def test_server_chooses_the_highest_version_of_both(
    offered: tuple[int, ...], accepted: tuple[int, ...], chosen: int
) -> None:
    """RFC 9846 4.3.1: the server's preference, which is the newest."""
    assert choose_version(hello(ext.SupportedVersions(offered)), accepted) == chosen


@pytest.mark.parametrize("legacy", [0x0302, 0x0301, 0x0300, 0x0200])
def test_old_client_is_refused(legacy: int) -> None:
    """RFC 9846 E.5: nothing below TLS 1.2 is spoken."""
    with blames(Fault.UNSUPPORTED_VERSION):
        choose_version(hello(extensions=None, legacy_version=legacy), (0x0304, 0x0303))


@pytest.mark.parametrize(
    ("offered", "accepted", "advice"),
    [
        ((0x0303,), (0x0304,), "have the peer offer TLSv1_3, or accept TLSv1_2"),
        ((0x0302, 0x0301), (0x0304, 0x0303), "have the peer offer TLSv1_3, TLSv1_2"),
        ((0x1A1A,), (0x0303,), "have the peer offer TLSv1_2"),
    ],
)
def test_only_a_version_that_we_have_could_be_accepted(
    offered: tuple[int, ...], accepted: tuple[int, ...], advice: str
) -> None:
    with pytest.raises(Blame) as caught:
        choose_version(hello(ext.SupportedVersions(offered)), accepted)
    assert hint_of(caught.value.fault, caught.value.facts) == advice


def test_client_that_fell_back_without_need_is_refused() -> None:
    """RFC 7507 3: whoever falls back says so, and a server that could do better refuses."""
    suites = (CipherSuite.TLS_FALLBACK_SCSV, 0xC02B)
    fallen = hello(extensions=None, cipher_suites=suites)
    with blames(Fault.NEEDLESS_FALLBACK, best="TLSv1_3"):
        choose_version(fallen, (0x0304, 0x0303))
    assert choose_version(fallen, (0x0303,)) == 0x0303
    greased = hello(ext.SupportedVersions((0x8A8A, 0x0303)), cipher_suites=suites)
    with blames(Fault.NEEDLESS_FALLBACK):
        choose_version(greased, (0x0304, 0x0303))


def test_legacy_version_counts_as_tls_12_at_most() -> None:
    """RFC 9846 4.2.2: TLS 1.3 is offered in supported_versions and nowhere else."""
    assert client_versions(hello(extensions=None, legacy_version=0x0304)) == (0x0303,)
    assert client_versions(hello(extensions=None, legacy_version=0x0302)) == (0x0302,)


# -- suites, groups, protocols ----------------------------------------------------------------------------


def test_our_preference_decides_among_what_is_offered() -> None:
    """RFC 9846 4.2.1: the server's order counts."""
    assert choose_suite((0x1301, 0x1302, 0x1303), (0x1303, 0x1301)) == 0x1303
    assert choose_group((29, 23), (23, 29)) == 23
    assert choose_protocol((b"http/1.1", b"h2"), (b"h2", b"http/1.1")) == b"h2"


def test_nothing_in_common_is_reported_with_both_lists() -> None:
    """What they offer and what we accept."""
    with blames(
        Fault.NO_SHARED_CIPHER_SUITE,
        offered=["TLS_AES_256_GCM_SHA384", "GREASE 0x1a1a"],
        accepted=["TLS_AES_128_GCM_SHA256"],
    ):
        choose_suite((0x1302, 0x1A1A), (0x1301,))
    with blames(Fault.NO_SHARED_GROUP, offered=["x448"], accepted=["x25519"]):
        choose_group((30,), (29,))
    with blames(Fault.NO_SHARED_APPLICATION_PROTOCOL, offered=["\\xff"], accepted=["h2"]):
        choose_protocol((b"\xff",), (b"h2",))
    many = [*["a"] * 64, "936 more"]
    with blames(Fault.NO_SHARED_APPLICATION_PROTOCOL, offered=many, accepted=["h2"]):
        choose_protocol((b"a",) * 1000, (b"h2",))


def test_no_protocol_is_chosen_where_one_side_has_none() -> None:
    """RFC 7301 3.2: ALPN is spoken only by both."""
    assert choose_protocol(None, (b"h2",)) is None
    assert choose_protocol((b"h2",), ()) is None


# -- credentials ------------------------------------------------------------------------------------------


# -- checks -----------------------------------------------------------------------------------------------


def test_offer_has_what_the_hello_says() -> None:
    """RFC 9846 4.2.2."""
    offer = read_offer(hello(*REQUIRED, ext.ServerName("a.example"), ext.ApplicationProtocols((b"h2",))))
    assert offer.groups == (29, 23) and offer.schemes == (ECDSA, RSA_PSS)
    assert (offer.server_name, offer.protocols, offer.early_data) == ("a.example", (b"h2",), False)
    assert offer.share_of(29) == SHARE.key_exchange and offer.share_of(23) is None
    bare = read_offer(hello(*REQUIRED, ext.EarlyDataIndication()))
    assert (bare.server_name, bare.protocols, bare.early_data) == (None, None, True)


def test_offer_without_a_share_asks_for_a_retry() -> None:
    """RFC 9846 4.3.8: an empty list of shares is legal."""
    assert read_offer(hello(*REQUIRED[:3], ext.KeyShares(()))).share_of(29) is None


def test_second_hello_may_change_what_it_must() -> None:
    """RFC 9846 4.2.2: the share, the cookie, the padding."""
    first = hello(*REQUIRED, ext.Padding(bytes(5)))
    again = (*REQUIRED[:3], ext.KeyShares((ext.KeyShareEntry(23, b"x"),)))
    check_second_hello(first, hello(*again, ext.Cookie(b"c"), ext.Padding(b"")), 23, b"c")
    check_second_hello(first, hello(*again), 23, None)
    with blames(Fault.WRONG_COOKIE):
        check_second_hello(first, hello(*again), 23, b"c")
    with blames(Fault.WRONG_SHARE_AFTER_RETRY, got=["x25519"], asked="secp256r1"):
        check_second_hello(first, hello(*REQUIRED), 23, None)
    with blames(Fault.CHANGED_HELLO, field="cipher_suites"):
        check_second_hello(first, hello(*again, cipher_suites=(0x1301,)), 23, None)
    with blames(Fault.CHANGED_HELLO, field="server_name"):
        check_second_hello(first, hello(*again, ext.ServerName("a.example")), 23, None)


def test_retry_may_ask_for_a_cookie_alone() -> None:
    """RFC 9846 4.2.4: then the shares stay."""
    version = ext.SelectedVersion(0x0304)
    cookie = answer(version, ext.Cookie(b"c"), random=RETRY_RANDOM)
    assert check_retry(hello(*REQUIRED), cookie) is None
    after = answer(version, ext.ServerShare(SHARE))
    check_after_retry(cookie, after, None)
    group = answer(version, ext.RetryGroup(23), random=RETRY_RANDOM)
    assert check_retry(hello(*REQUIRED), group) == 23
    with blames(Fault.UNOFFERED_GROUP, got="secp384r1"):
        check_retry(hello(*REQUIRED), answer(version, ext.RetryGroup(24), random=RETRY_RANDOM))


def test_protocol_of_the_server_must_be_one_of_ours() -> None:
    """RFC 7301 3.1: exactly one, and offered."""
    offered = hello(*REQUIRED, ext.ApplicationProtocols((b"h2", b"http/1.1")))
    check = check_encrypted_extensions
    assert check(offered, EncryptedExtensions(())) is None
    assert check(offered, EncryptedExtensions((ext.ApplicationProtocols((b"h2",)),))) == b"h2"
    with blames(Fault.UNOFFERED_APPLICATION_PROTOCOL, got=["spdy"], offered=["h2", "http/1.1"]):
        check(offered, EncryptedExtensions((ext.ApplicationProtocols((b"spdy",)),)))


def test_request_must_say_by_which_schemes_one_may_sign() -> None:
    """RFC 9846 4.4.2: signature_algorithms must be there."""
    assert request_schemes(CertificateRequest(b"", (ext.SignatureAlgorithms((1, 2)),))) == (1, 2)
    with blames(Fault.MISSING_EXTENSION, extension="signature_algorithms", message="CertificateRequest"):
        request_schemes(CertificateRequest(b"", ()))
