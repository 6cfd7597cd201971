"""Choices and checks of the hellos of TLS 1.2, each tried alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bothways import ConfigError, Fault
from bothways.faults import Blame
from bothways.iana import CipherSuite, NamedGroup, SignatureScheme
from bothways.tls.crypto.suites import SUITES12
from bothways.tls.events import Caution
from bothways.tls.handshake.negotiation import DOWNGRADE_BELOW_12, DOWNGRADE_TO_12
from bothways.tls.handshake.negotiation12 import (
    check_curve,
    check_server_hello_12,
    choose_12,
    choose_client_credentials_12,
    choose_scheme_12,
    chosen_protocol_12,
    is_rsa,
    marked_random,
    may_decipher,
    may_sign,
    read_offer_12,
    schemes_12,
)
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import CertificateRequest
from bothways.trust.certificate.parsed import ParsedCertificate
from faults import Walked, blames
from tls.handshake.conversations import credentials, external
from tls.handshake.conversations12 import (
    ECDSA_SUITES,
    EXAMPLES,
    RSA_SUITES,
    TRANSPORT_SUITES,
    bound_to_pss,
    client_config,
    deciphering,
    server_config,
)

S = SignatureScheme
HELLO = EXAMPLES[1]
ANSWER = EXAMPLES[2]
assert isinstance(HELLO, ClientHello) and isinstance(ANSWER, ServerHello)
CLIENT_SCHEMES = (S.ecdsa_secp256r1_sha256, S.rsa_pss_rsae_sha256, S.rsa_pkcs1_sha256, S.ed25519)


def hello(*extensions: ext.Extension, **fields: Any) -> ClientHello:
    return replace(HELLO, **{"extensions": extensions} | fields)


def codes(*names: str) -> tuple[int, ...]:
    return tuple(CipherSuite[name] for name in names)


def offering(
    *suites: str, schemes: tuple[int, ...] = CLIENT_SCHEMES, groups: tuple[int, ...] = (29, 23)
) -> ClientHello:
    more = (ext.SignatureAlgorithms(schemes),) if schemes else ()
    return hello(ext.SupportedGroups(groups), *more, cipher_suites=codes(*suites))


# -- what a server reads ----------------------------------------------------------------------------------


def test_hello_without_extensions_is_read() -> None:
    """RFC 5246 7.4.1.2: extensions may be absent; who names no groups knows none later than RFC 4492."""
    for extensions in (None, ()):
        offer = read_offer_12(replace(HELLO, extensions=extensions))
        assert offer.schemes == () and offer.server_name is None and offer.protocols is None
        assert not offer.extended_main_secret
        assert not offer.signals_renegotiation
        assert NamedGroup.secp256r1 in offer.groups
        assert not {NamedGroup.X25519MLKEM768, NamedGroup.x25519} & set(offer.groups)


@pytest.mark.parametrize("methods", [b"\1", b"\1\x40", b"\x7f"])
def test_client_that_lacks_null_compression_is_refused(methods: bytes) -> None:
    """RFC 5246 7.4.1.2: null must be there."""
    with blames(Fault.LACKS_NULL_COMPRESSION):
        read_offer_12(replace(HELLO, legacy_compression_methods=methods))


@pytest.mark.parametrize("methods", [b"\0", b"\0\1", b"\1\0", b"\1\x40\0"])
def test_client_that_offers_other_compression_beside_null_is_read(methods: bytes) -> None:
    """RFC 5246 7.4.1.2: what else it offers is not chosen, and no fault."""
    assert read_offer_12(replace(HELLO, legacy_compression_methods=methods)).hello


def test_client_without_uncompressed_points_is_refused() -> None:
    """RFC 8422 5.1.2."""
    with blames(Fault.NO_UNCOMPRESSED_POINTS):
        read_offer_12(hello(ext.EcPointFormats((1, 2))))
    assert read_offer_12(hello(ext.EcPointFormats((2, 0)))).names_point_formats


def test_client_signals_secure_renegotiation_in_either_way() -> None:
    """RFC 5746 3.6: by the extension, which is empty, or by the suite that is none."""
    assert read_offer_12(hello(ext.RenegotiationInfo(b""))).signals_renegotiation
    scsv = CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV
    assert read_offer_12(hello(cipher_suites=(0xC02B, scsv))).signals_renegotiation
    with blames(Fault.BAD_RENEGOTIATION_INFO):
        read_offer_12(hello(ext.RenegotiationInfo(bytes(12))))


# -- what a server chooses ----------------------------------------------------------------------------------


def chosen(server: dict[str, Any], offer: ClientHello) -> tuple[str, int, int]:
    choice = choose_12(server_config(client_auth="none", **server).settings, read_offer_12(offer))
    return choice.suite.name, choice.group, choice.scheme


def test_server_chooses_by_its_own_order_of_suites() -> None:
    """RFC 5246 7.4.1.3: the client's order is a wish."""
    backwards = tuple(reversed(ECDSA_SUITES))
    assert chosen({}, offering(*backwards))[0] == ECDSA_SUITES[0]
    assert chosen({"suites": backwards}, offering(*ECDSA_SUITES))[0] == ECDSA_SUITES[2]


def test_server_passes_over_suites_that_its_key_does_not_fit() -> None:
    """RFC 8422 5.4: ECDHE_ECDSA is for ECDSA and EdDSA keys, ECDHE_RSA for RSA keys."""
    every = offering(*ECDSA_SUITES, *RSA_SUITES)
    assert chosen({}, every) == (ECDSA_SUITES[0], NamedGroup.x25519, S.ecdsa_secp256r1_sha256)
    rsa = {"credentials": credentials("localhost", "RSA-2048")}
    assert chosen(rsa, every) == (RSA_SUITES[0], NamedGroup.x25519, S.rsa_pss_rsae_sha256)
    ed25519 = {"credentials": credentials("localhost", "Ed25519")}
    assert chosen(ed25519, every) == (ECDSA_SUITES[0], NamedGroup.x25519, S.ed25519)


def test_server_of_several_keys_chooses_the_one_that_the_client_can_check() -> None:
    """RFC 5246 7.4.2: the certificate has to fit suite and schemes of the client."""
    both = {"credentials": (credentials("localhost"), credentials("localhost", "RSA-2048"))}
    assert chosen(both, offering(*RSA_SUITES, *ECDSA_SUITES))[0] == ECDSA_SUITES[0]
    assert chosen(both, offering(*RSA_SUITES))[0] == RSA_SUITES[0]
    pkcs1 = offering(*ECDSA_SUITES, *RSA_SUITES, schemes=(S.rsa_pkcs1_sha256,))
    assert chosen(both, pkcs1) == (RSA_SUITES[0], NamedGroup.x25519, S.rsa_pkcs1_sha256)


def test_server_signs_by_any_hash_with_any_curve() -> None:
    """RFC 5246 7.4.1.4.1: in TLS 1.2 a scheme names hash and kind of key, not the curve."""
    p384 = {"credentials": credentials("localhost", "P-384")}
    offer = offering(*ECDSA_SUITES, groups=(NamedGroup.x25519, NamedGroup.secp384r1))
    assert chosen(p384, offer)[2] == S.ecdsa_secp256r1_sha256


CURVES = {"P-256": NamedGroup.secp256r1, "P-384": NamedGroup.secp384r1, "P-521": NamedGroup.secp521r1}


@pytest.mark.parametrize("curve", CURVES)
def test_server_chooses_a_certificate_on_a_curve_that_the_client_offers(curve: str) -> None:
    """RFC 8422 4, 5.3: whatever the curve of the key exchange is, and wherever the certificate stands."""
    several = tuple(credentials("localhost", kind) for kind in CURVES)
    settings = server_config(client_auth="none", credentials=several).settings
    for groups in ((NamedGroup.x25519, CURVES[curve]), (CURVES[curve], NamedGroup.x25519)):
        offer = read_offer_12(offering(*ECDSA_SUITES, groups=groups))
        choice = choose_12(settings, offer)
        assert choice.credentials is credentials("localhost", curve)
        assert choice.group == NamedGroup.x25519


@pytest.mark.parametrize(
    ("kinds", "suites", "expected"),
    [
        (("P-384", "RSA-2048"), (*ECDSA_SUITES, *RSA_SUITES), "RSA-2048"),
        (("P-384", "Ed25519"), ECDSA_SUITES, "Ed25519"),
    ],
)
def test_keys_that_are_not_for_ecdsa_lie_on_no_curve_of_the_list(
    kinds: tuple[str, ...], suites: tuple[str, ...], expected: str
) -> None:
    """RFC 8422 5.1.1: the list is about ECDSA keys; what signs otherwise is named by signature_algorithms."""
    several = tuple(credentials("localhost", kind) for kind in kinds)
    settings = server_config(client_auth="none", credentials=several).settings
    choice = choose_12(settings, read_offer_12(offering(*suites)))
    assert choice.credentials is credentials("localhost", expected)


def test_client_that_names_no_groups_may_get_any_curve() -> None:
    """RFC 8422 4: the server is then free to choose."""
    settings = server_config(client_auth="none", credentials=credentials("localhost", "P-521")).settings
    offer = hello(ext.SignatureAlgorithms(CLIENT_SCHEMES), cipher_suites=codes(*ECDSA_SUITES))
    assert choose_12(settings, read_offer_12(offer)).group == NamedGroup.secp256r1


def test_server_that_has_no_certificate_on_an_offered_curve_says_which_it_has() -> None:
    """RFC 8422 5.3: it must choose no ECDHE_ECDSA suite then."""
    both = (credentials("localhost", "P-521"), credentials("localhost", "P-384"))
    settings = server_config(client_auth="none", credentials=both).settings
    with blames(
        Fault.NO_CERTIFICATE_ON_OFFERED_CURVE,
        offered=["x25519", "secp256r1"],
        accepted=["secp384r1", "secp521r1"],
    ):
        choose_12(settings, read_offer_12(offering(*ECDSA_SUITES)))


def test_client_checks_the_curve_of_an_ecdsa_key_alone() -> None:
    """RFC 8422 5.3."""
    for kind, group in CURVES.items():
        leaf = ParsedCertificate(credentials("localhost", kind).chain[0])
        check_curve(leaf, (NamedGroup.x25519, group))
        with blames(Fault.CERTIFICATE_ON_UNOFFERED_CURVE, got=group.name, offered=["x25519"]):
            check_curve(leaf, (NamedGroup.x25519,))
    for kind in ("Ed25519", "RSA-2048"):
        check_curve(ParsedCertificate(credentials("localhost", kind).chain[0]), (NamedGroup.x25519,))


def test_server_never_chooses_a_hybrid_group() -> None:
    """RFC 8422 5.1.1 knows no hybrids, wherever they stand in the lists."""
    hybrid = {"groups": ("X25519MLKEM768", "secp256r1")}
    offer = offering(*ECDSA_SUITES, groups=(NamedGroup.X25519MLKEM768, NamedGroup.secp256r1))
    assert chosen(hybrid, offer)[1] == NamedGroup.secp256r1


def test_server_and_client_without_a_shared_suite_or_scheme_or_group_part() -> None:
    """RFC 5246 7.4.1.3: handshake_failure, and the reason in our own words."""
    settings = server_config(client_auth="none").settings
    for offer, fault in (
        (offering("TLS_AES_128_GCM_SHA256"), Fault.NO_SHARED_CIPHER_SUITE),
        (offering(*TRANSPORT_SUITES), Fault.NO_SHARED_CIPHER_SUITE),
        (offering(*RSA_SUITES), Fault.NO_SHARED_CIPHER_SUITE),
        (offering(*RSA_SUITES, schemes=(S.rsa_pkcs1_sha256,)), Fault.NO_SHARED_SCHEME),
        (offering(*ECDSA_SUITES, schemes=(S.rsa_pkcs1_sha256,)), Fault.NO_SHARED_SCHEME),
        (offering(*ECDSA_SUITES, schemes=()), Fault.NO_SHARED_SCHEME),
        (offering(*ECDSA_SUITES, groups=(NamedGroup.x448,)), Fault.NO_SHARED_GROUP),
    ):
        with blames(fault):
            choose_12(settings, read_offer_12(offer))


def test_a_client_whose_suites_need_another_key_is_told_which_suites_ours_can_be_used_with() -> None:
    """It accepts the scheme of our key, so that the scheme is not what is missing (RFC 8422 2)."""
    settings = server_config(client_auth="none").settings
    with pytest.raises(Blame) as caught:
        choose_12(settings, read_offer_12(offering(*RSA_SUITES)))
    accepted = caught.value.facts["accepted"]
    assert isinstance(accepted, list) and accepted and all("_ECDSA_" in each for each in accepted)


def test_long_list_of_schemes_is_gone_through_once_for_all_suites_and_credentials() -> None:
    """A hello of 64 KiB must not cost seconds where many credentials are served."""
    settings = server_config(
        client_auth="none", credentials=[credentials(f"n{number}.example") for number in range(3)]
    ).settings
    junk = Walked(range(0x2000, 0x9000))
    with blames(Fault.NO_SHARED_SCHEME):
        choose_12(settings, read_offer_12(offering(*ECDSA_SUITES, schemes=junk)))
    known = Walked((*junk, S.ecdsa_secp256r1_sha256))
    assert choose_12(settings, read_offer_12(offering(*ECDSA_SUITES, schemes=known))).scheme == known[-1]


TRANSPORTING = {"insecure_rsa_key_transport": True, "credentials": deciphering()}


def test_server_chooses_key_transport_only_where_it_is_allowed_and_nothing_else_is_left() -> None:
    """RFC 5246 F.1.1.2: last of all, and only with a key that may decipher."""
    both = deciphering("localhost", "digital_signature", "key_encipherment")
    able = TRANSPORTING | {"credentials": both}
    assert chosen(able, offering(*TRANSPORT_SUITES, *RSA_SUITES))[0] == RSA_SUITES[0]
    assert chosen(able, offering(*TRANSPORT_SUITES)) == (TRANSPORT_SUITES[0], 0, 0)
    signing = TRANSPORTING | {"credentials": credentials("localhost", "RSA-2048")}
    with blames(Fault.NO_SHARED_CIPHER_SUITE):
        chosen(signing, offering(*TRANSPORT_SUITES))


def test_key_transport_needs_no_scheme_and_no_group() -> None:
    """RFC 5246 7.4.7.1: whoever has none of ours may still be served by it, where it is allowed."""
    both = deciphering("localhost", "digital_signature", "key_encipherment")
    able = TRANSPORTING | {"credentials": both}
    every = (*RSA_SUITES, *TRANSPORT_SUITES)
    assert chosen(able, offering(*every, schemes=()))[0] == TRANSPORT_SUITES[0]
    assert chosen(able, offering(*every, groups=(NamedGroup.x448,)))[0] == TRANSPORT_SUITES[0]


def test_server_with_a_signing_key_never_lets_a_key_for_deciphering_sign() -> None:
    """RFC 5280 4.2.1.3: a certificate for keyEncipherment alone is not one for ECDHE_RSA."""
    with blames(Fault.NO_SHARED_SCHEME):
        chosen({"credentials": deciphering()}, offering(*RSA_SUITES))


def test_scheme_has_to_fit_key_suite_client_and_settings() -> None:
    """RFC 8422 5.4: four conditions, each of which can fail."""
    suite = SUITES12[CipherSuite[ECDSA_SUITES[0]]]
    own = credentials("localhost")
    assert choose_scheme_12(own, suite, CLIENT_SCHEMES, CLIENT_SCHEMES) == S.ecdsa_secp256r1_sha256
    assert choose_scheme_12(own, suite, (S.ed25519,), CLIENT_SCHEMES) is None
    assert choose_scheme_12(own, suite, CLIENT_SCHEMES, (S.ed25519,)) is None
    assert (
        choose_scheme_12(credentials("localhost", "RSA-2048"), suite, CLIENT_SCHEMES, CLIENT_SCHEMES) is None
    )


def test_key_bound_to_pss_signs_by_its_own_schemes() -> None:
    """RFC 9846 4.3.3: rsa_pss_pss, also in TLS 1.2."""
    suite = SUITES12[CipherSuite[RSA_SUITES[0]]]
    offered = (S.rsa_pss_rsae_sha256, S.rsa_pss_pss_sha256, S.rsa_pkcs1_sha256)
    assert choose_scheme_12(bound_to_pss("localhost"), suite, offered, offered) == S.rsa_pss_pss_sha256


@pytest.mark.parametrize("kind", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_server_never_signs_by_ml_dsa(kind: str) -> None:
    """ML-DSA is defined for TLS 1.3 alone, whatever a client of TLS 1.2 says that it checks."""
    offer = offering(*ECDSA_SUITES, *RSA_SUITES, schemes=(S.mldsa44, S.mldsa65, S.mldsa87))
    with blames(Fault.NO_SHARED_SCHEME):
        chosen({"credentials": credentials("localhost", kind), "versions": ("1.3", "1.2")}, offer)


def test_credentials_that_no_version_can_use_are_a_config_error() -> None:
    """RFC 9846 4.3.3: PKCS #1 v1.5 signs in TLS 1.2 alone, ML-DSA in TLS 1.3 alone."""
    pkcs1 = {"credentials": credentials("localhost", "RSA-2048"), "schemes": ("rsa_pkcs1_sha256",)}
    mldsa = {"credentials": credentials("localhost", "ML-DSA-44")}
    assert server_config(**pkcs1) and server_config(versions=("1.3", "1.2"), **pkcs1)
    assert server_config(versions=("1.3", "1.2"), **mldsa)
    with pytest.raises(ConfigError, match="in TLS 1.3"):
        server_config(versions=("1.3",), **pkcs1)
    with pytest.raises(ConfigError, match="in TLS 1.2"):
        server_config(**mldsa)


def test_schemes_of_12_are_all_but_ml_dsa() -> None:
    """What a CertificateRequest of TLS 1.2 names."""
    every = client_config(versions=("1.3", "1.2")).settings.negotiation.schemes
    assert {S(code).name for code in set(every) - set(schemes_12(every))} == {"mldsa44", "mldsa65", "mldsa87"}


# -- what a client checks ---------------------------------------------------------------------------------


def checked(answer: ServerHello, *, needs: bool = True) -> str:
    return check_server_hello_12(HELLO, answer, needs_extended_main_secret=needs).name


def test_client_takes_a_sound_answer() -> None:
    """RFC 5246 7.4.1.3."""
    assert checked(ANSWER) == ECDSA_SUITES[0]
    assert checked(replace(ANSWER, legacy_session_id_echo=bytes(32))) == ECDSA_SUITES[0]


BOUND, RENEGOTIATION = ext.ExtendedMainSecret(), ext.RenegotiationInfo(b"")


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"cipher_suite": 0xC02C}, Fault.UNOFFERED_CIPHER_SUITE),
        ({"cipher_suite": 0x1301}, Fault.UNOFFERED_CIPHER_SUITE),
        ({"cipher_suite": 0x0000}, Fault.UNOFFERED_CIPHER_SUITE),
        ({"cipher_suite": 0x00FF}, Fault.UNOFFERED_CIPHER_SUITE),
        ({"legacy_compression_method": 1}, Fault.UNOFFERED_COMPRESSION),
        ({"extensions": None}, Fault.NO_SECURE_RENEGOTIATION),
        ({"extensions": (BOUND,)}, Fault.NO_SECURE_RENEGOTIATION),
        ({"extensions": (BOUND, ext.RenegotiationInfo(b"\0"))}, Fault.BAD_RENEGOTIATION_INFO),
        ({"extensions": (RENEGOTIATION,)}, Fault.NO_EXTENDED_MAIN_SECRET),
        ({"extensions": (BOUND, RENEGOTIATION, ext.EcPointFormats((1,)))}, Fault.NO_UNCOMPRESSED_POINTS),
    ],
)
def test_client_refuses_what_it_did_not_offer(fields: dict[str, Any], fault: Fault) -> None:
    """RFC 5246 7.4.1.3, RFC 5746 3.4, RFC 7627 5.2, RFC 8422 5.1.2."""
    with blames(fault):
        checked(replace(ANSWER, **fields))


def test_suite_of_13_is_not_one_of_12_though_it_was_offered() -> None:
    """RFC 9846 4.2.3: a suite belongs to a version."""
    both = replace(HELLO, cipher_suites=(0x1301, 0xC02B))
    with blames(Fault.UNOFFERED_CIPHER_SUITE):
        check_server_hello_12(both, replace(ANSWER, cipher_suite=0x1301), needs_extended_main_secret=True)


def test_binding_of_keys_may_be_given_up_on_request() -> None:
    """RFC 7627 5.2: `insecure_without_extended_main_secret`."""
    assert checked(replace(ANSWER, extensions=(RENEGOTIATION,)), needs=False)


def test_client_reads_the_protocol_that_was_chosen() -> None:
    """RFC 7301 3.1: one, of those offered."""
    asked = hello(ext.ApplicationProtocols((b"h2", b"http/1.1")))
    assert chosen_protocol_12(asked, ANSWER) is None
    for protocols, fault in (((b"h3",), Fault.UNOFFERED_APPLICATION_PROTOCOL),):
        with blames(fault):
            chosen_protocol_12(asked, replace(ANSWER, extensions=(ext.ApplicationProtocols(protocols),)))
    answer = replace(ANSWER, extensions=(ext.ApplicationProtocols((b"h2",)),))
    assert chosen_protocol_12(asked, answer) == b"h2"


def test_client_chooses_by_certificate_types_and_schemes() -> None:
    """RFC 5246 7.4.4, RFC 8422 5.5: ecdsa_sign stands for EdDSA too."""
    own = (
        credentials("client.example"),
        credentials("client.example", "RSA-2048"),
        credentials("client.example", "Ed25519"),
    )
    accepted = client_config().settings.negotiation.schemes

    def shown(types: tuple[int, ...], *schemes: int) -> object:
        request = CertificateRequest(types, schemes, ())
        choice = choose_client_credentials_12(own, request, accepted)
        return own.index(choice.credentials) if choice.credentials is not None else choice.warning

    assert shown((64,), *CLIENT_SCHEMES) == 0
    assert shown((1,), *CLIENT_SCHEMES) == 1
    assert shown((1, 64), S.ed25519) == 2
    assert shown((64,), S.ed25519) == 2
    assert shown((1,), S.ed25519) is Caution.NO_FITTING_SCHEME
    assert shown((2, 5), *CLIENT_SCHEMES) is Caution.NO_FITTING_SCHEME
    assert shown((1, 64), 0x0201, 0x0203) is Caution.NO_FITTING_SCHEME


# -- what keys are for --------------------------------------------------------------------------------------


def test_key_usage_says_what_a_key_is_for() -> None:
    """RFC 5280 4.2.1.3: digitalSignature signs, keyEncipherment deciphers; RSA keys alone can."""
    both = deciphering("localhost", "digital_signature", "key_encipherment")
    assert may_decipher(deciphering()) and not may_sign(deciphering())
    assert may_decipher(both) and may_sign(both)
    plain = credentials("localhost", "RSA-2048")
    assert may_sign(plain) and not may_decipher(plain)
    assert not may_decipher(credentials("localhost"))
    assert not may_decipher(external("localhost"))


def test_rsa_schemes_are_recognized_by_their_names() -> None:
    """The IANA registry of signature schemes."""
    assert is_rsa(S.rsa_pkcs1_sha256) and is_rsa(S.rsa_pss_rsae_sha256) and is_rsa(S.rsa_pss_pss_sha512)
    assert not is_rsa(S.ecdsa_secp256r1_sha256) and not is_rsa(S.ed25519) and not is_rsa(0xFEFE)


def test_random_of_a_server_that_has_13_is_marked() -> None:
    """RFC 9846 4.2.3: the last eight bytes, and only if the server could have done better."""
    drawn = bytes(range(32))
    assert marked_random(drawn, 0x0304) == drawn[:24] + DOWNGRADE_TO_12
    assert marked_random(drawn, 0x0303) == drawn
    assert DOWNGRADE_TO_12 == b"DOWNGRD\1" and DOWNGRADE_BELOW_12 == b"DOWNGRD\0"
