"""Configurations: what each combination means, and that impossible ones are errors when they are made."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from bothways import ClientConfig, ConfigError, Credentials, ServerConfig, TrustStore
from bothways.iana import CipherSuite, NamedGroup, SignatureScheme
from bothways.tls.handshake.settings import KEY_TRANSPORT_SUITES, SUITES, VERSIONS
from bothways.trust.revocation import Revocation
from tls.handshake.conversations import (
    PSK_SERVER,
    anchors,
    client_config,
    credentials,
    ech_keys,
    server_config,
)

WRONG: tuple[tuple[str, Any, str], ...] = (
    ("versions", ("1.1",), "versions: '1.1' is not supported; expected 1.3"),
    ("versions", ("1.3", "1.3"), "versions: a name occurs twice"),
    ("versions", "1.3", "versions: expected a tuple of names, not the single text '1.3'"),
    ("versions", (), "none of them is for a version"),
    ("suites", (), "suites: "),
    ("suites", ("TLS_NULL",), "suites: 'TLS_NULL' is not supported; expected TLS_"),
    ("suites", ("TLS_AES_128_CCM_SHA256",), "is not supported"),
    ("suites", ("TLS_FALLBACK_SCSV",), "is not supported"),
    ("suites", KEY_TRANSPORT_SUITES[:1], "insecure_rsa_key_transport"),
    ("groups", (), "groups: at least one is needed"),
    ("groups", ("x448",), "groups: 'x448' is not supported"),
    ("groups", ("x25519", "x25519"), "groups: a name occurs twice"),
    ("groups", ("MLKEM768",), "is not supported"),
    ("schemes", ("rsa_pkcs1_sha1",), "schemes: 'rsa_pkcs1_sha1' is not supported"),
    ("certificate_schemes", (), "certificate_schemes: at least one is needed"),
    ("certificate_schemes", ("nobody",), "certificate_schemes: 'nobody' is not supported"),
    ("alpn", "h2", "alpn: expected a tuple"),
    ("alpn", ("",), "alpn: expected names of 1 to 255 bytes"),
    ("alpn", ("x" * 256,), "alpn: expected names of 1 to 255 bytes"),
    ("alpn", ("h2", "h2"), "alpn: a name occurs twice"),
    ("handshake_timeout", 0, "handshake_timeout: expected seconds above zero"),
    ("handshake_timeout", float("nan"), "handshake_timeout: expected seconds above zero"),
    ("record_padding", -1, "record_padding: expected 0 to 16384 bytes"),
    ("record_padding", 2**14 + 1, "record_padding: expected 0 to 16384 bytes"),
    ("max_certificate_bytes", 1023, "max_certificate_bytes: expected 1024 to 16777215 bytes"),
    ("max_certificate_bytes", 2**24, "max_certificate_bytes: expected 1024 to 16777215 bytes"),
    ("revocation", "yes", "revocation: expected a Revocation"),
    ("judge_again", "always", "judge_again: 'always' is none of never, lapse, change"),
    ("judge_again", "change", "judge_again: without revocation there is no evidence that could change"),
    ("credentials", "file.pem", "credentials: expected Credentials, not str"),
    ("staples", [b"response"], "staples: expected an OCSPStore"),
    (
        "schemes",
        ("ed25519",),
        "and no signature scheme that is in use fits it in TLS 1.",
    ),
)


@pytest.mark.parametrize("make", [client_config, server_config])
@pytest.mark.parametrize(("option", "value", "message"), WRONG)
def test_option_that_cannot_work_is_refused_at_once(make: Any, option: str, value: Any, message: str) -> None:
    """ConfigError when the config is made, never in a handshake; it names the option."""
    with pytest.raises(ConfigError) as caught:
        make(**{option: value})
    assert message in str(caught.value)


WRONG_SERVER: tuple[tuple[dict[str, Any], str], ...] = (
    ({"credentials": ()}, "credentials: a server needs a certificate and its key"),
    ({"credentials": None}, "credentials: a server needs a certificate and its key"),
    ({"client_auth": "require", "client_anchors": None}, "verifies clients by them"),
    (
        {"client_auth": "request", "client_anchors": None},
        "client_anchors: missing; client_auth='request'",
    ),
    (
        {"client_auth": "maybe"},
        "client_auth: 'maybe' is not a mode; expected none, request, require or later",
    ),
    ({"client_anchors": "ca.pem"}, "client_anchors: expected a TrustStore"),
    (
        {"client_anchors": TrustStore.from_certificates(anchors().certificates, profile="web")},
        "client_anchors: the web profile applies to servers only",
    ),
    (
        {"client_auth": "none", "judge_again": "lapse"},
        "judge_again: no client is verified, since client_auth is none",
    ),
    (
        {"client_auth": "none", "revocation": Revocation(staples="use")},
        "revocation: it is not checked, since client_auth is none",
    ),
    ({"unknown_server_name": "guess"}, "unknown_server_name: expected first or refuse"),
    ({"tickets": True}, "tickets: expected TicketKeys, or None"),
    ({"ech_keys": "key.pem"}, "ech_keys: expected ECHKeys"),
    ({"ech_keys": ech_keys(), "versions": ("1.2",)}, "ech_keys: a ClientHello is encrypted in TLS 1.3 only"),
    (
        PSK_SERVER | {"client_anchors": None, "revocation": Revocation(staples="use")},
        "revocation: a pre-shared key cannot be revoked",
    ),
)


@pytest.mark.parametrize(("options", "message"), WRONG_SERVER)
def test_server_option_that_cannot_work_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    """Anchors missing where clients are judged, or never used, are errors."""
    with pytest.raises(ConfigError) as caught:
        server_config(**options)
    assert message in str(caught.value)


def test_anchors_that_would_never_be_used_are_refused() -> None:
    """Whoever gives client anchors and asks for no client certificate means something else."""
    with pytest.raises(ConfigError, match="client_anchors: not used, since client_auth is none"):
        ServerConfig(credentials=credentials("localhost"), client_anchors=anchors(), client_auth="none")


WRONG_CLIENT: tuple[tuple[dict[str, Any], str], ...] = (
    ({"anchors": None}, "anchors: expected a TrustStore"),
    (
        {"key_shares": ("secp384r1",)},
        "key_shares: 'secp384r1' is not supported; expected secp256r1, x25519",
    ),
    ({"key_shares": ("x25519", "x25519")}, "key_shares: a name occurs twice"),
    ({"sessions": {}}, "sessions: expected a SessionStore, or None"),
)


@pytest.mark.parametrize(("options", "message"), WRONG_CLIENT)
def test_client_option_that_cannot_work_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    """A client without anchors would refuse everybody, or worse."""
    with pytest.raises(ConfigError) as caught:
        client_config(**options)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", [None, "", "a b", "https:", "host:443", "*.example"])
def test_client_must_say_whom_it_wants(name: str | None) -> None:
    """`server_name=None` on a client is a ConfigError."""
    with pytest.raises(ConfigError, match="server_name"):
        client_config().connection(name)


def test_anchors_alone_mean_that_clients_must_prove_themselves() -> None:
    """With anchors the default is "require"."""
    assert server_config().client_auth == "require"
    assert server_config(client_auth="none").client_auth == "none"
    assert ServerConfig(credentials=credentials("localhost")).client_auth == "none"
    asked = server_config(client_auth="request")
    assert asked.client_auth == "request" and not asked.settings.trust.requires_certificate


@pytest.mark.parametrize(
    ("groups", "shares"),
    [
        (("X25519MLKEM768", "x25519", "secp256r1"), ("X25519MLKEM768", "x25519")),
        (("x25519", "secp256r1"), ("x25519",)),
        (("X25519MLKEM768",), ("X25519MLKEM768",)),
        (("secp256r1", "X25519MLKEM768", "x25519"), ("secp256r1",)),
        (("SecP256r1MLKEM768", "X25519MLKEM768", "secp384r1"), ("SecP256r1MLKEM768", "secp384r1")),
    ],
)
def test_client_predicts_the_shares_that_servers_want(
    groups: tuple[str, ...], shares: tuple[str, ...]
) -> None:
    """RFC 9846 4.3.8: the first group, and the first that is not a hybrid, so that few servers ask again."""
    config = client_config(groups=groups, key_shares=None)
    assert [NamedGroup(code).name for code in config.settings.negotiation.shares] == list(shares)


def test_shares_are_sent_in_the_order_of_the_groups_and_may_be_none() -> None:
    """RFC 9846 4.3.8: in the same order as in supported_groups; none asks for a retry."""
    config = client_config(groups=("x25519", "secp256r1"), key_shares=("secp256r1", "x25519"))
    assert config.settings.negotiation.shares == (NamedGroup.x25519, NamedGroup.secp256r1)
    assert client_config(key_shares=()).settings.negotiation.shares == ()


SIDES_12: dict[str, Callable[..., ClientConfig | ServerConfig]] = {
    "client": lambda **options: ClientConfig(anchors=anchors(), **options),
    "server": lambda **options: ServerConfig(credentials=credentials("localhost"), **options),
}


@pytest.mark.parametrize("side", SIDES_12.values(), ids=SIDES_12)
def test_a_client_of_tls_1_2_alone_offers_neither_hybrids_nor_ml_dsa(
    side: Callable[..., ClientConfig | ServerConfig],
) -> None:
    """RFC 10024, RFC 8422 5.1.1: they exist in TLS 1.3 only; a version without a suite is not spoken either."""
    both = side().settings.negotiation
    assert any("MLKEM" in NamedGroup(code).name for code in both.groups)
    assert any(SignatureScheme(code).name.startswith("mldsa") for code in both.schemes)
    for options in ({"versions": ("1.2",)}, {"suites": ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",)}):
        offer = side(**options).settings.negotiation
        assert [NamedGroup(code).name for code in offer.groups] == [
            "x25519", "secp256r1", "secp384r1", "secp521r1",
        ]  # fmt: skip
        assert not any(SignatureScheme(code).name.startswith("mldsa") for code in offer.schemes)
        assert offer.schemes == tuple(code for code in both.schemes if code in offer.schemes)


@pytest.mark.parametrize(
    ("what", "options"),
    [("groups", {"groups": ("X25519MLKEM768",)}), ("schemes", {"schemes": ("mldsa65", "mldsa44")})],
)
@pytest.mark.parametrize("side", SIDES_12.values(), ids=SIDES_12)
def test_nothing_that_12_can_use_is_a_mistake(
    side: Callable[..., ClientConfig | ServerConfig], what: str, options: dict[str, Any]
) -> None:
    """A handshake could only fail."""
    with pytest.raises(ConfigError, match=f"^{what}: none of them is for TLS 1.2"):
        side(versions=("1.2",), **options)


def test_shares_of_a_client_of_12_are_checked_and_not_sent() -> None:
    """RFC 9846 4.3.8: TLS 1.2 has no shares in its hello."""
    for shares in (None, (), ("X25519MLKEM768",)):
        config = ClientConfig(anchors=anchors(), versions=("1.2",), key_shares=shares)
        assert config.settings.negotiation.shares == ()
    with pytest.raises(ConfigError, match="key_shares"):
        ClientConfig(anchors=anchors(), versions=("1.2",), key_shares=("x448",))


def test_defaults_prefer_what_is_best() -> None:
    """docs/defaults.md: TLS 1.3, AES-128-GCM, the hybrid group."""
    config = ClientConfig(anchors=anchors())
    assert set(config.versions) <= set(VERSIONS)
    assert max(config.settings.negotiation.versions) == 0x0304
    assert config.settings.negotiation.suites[0] == CipherSuite.TLS_AES_128_GCM_SHA256
    assert config.settings.negotiation.groups[0] == NamedGroup.X25519MLKEM768
    assert SignatureScheme.ecdsa_secp256r1_sha256 in config.settings.negotiation.schemes
    assert not set(KEY_TRANSPORT_SUITES) & set(SUITES)


def test_version_without_a_suite_is_not_offered() -> None:
    """docs/defaults.md: suites of TLS 1.3 alone are TLS 1.3 alone."""
    config = ClientConfig(anchors=anchors(), suites=("TLS_AES_128_GCM_SHA256",))
    assert config.settings.negotiation.versions == (0x0304,)


def test_config_cannot_be_changed_and_shows_no_key() -> None:
    """Frozen, and shared by any number of connections."""
    config = server_config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.client_auth = "none"  # type: ignore[misc]
    assert "PRIVATE" not in repr(config) and "private_value" not in repr(config)
    several = server_config(credentials=[credentials("localhost"), credentials("a.example")])
    assert len(several.settings.identity.own) == 2
    assert all(isinstance(each, Credentials) for each in several.settings.identity.own)
    assert isinstance(client_config().anchors, TrustStore)


def test_unsupported_scheme_is_reported_with_the_supported_ones() -> None:
    """Which option, what expected."""
    with pytest.raises(ConfigError) as caught:
        client_config(certificate_schemes=("rsa_md5",))
    assert "rsa_pkcs1_sha1" in str(caught.value), (
        "certificates may still be signed by what handshakes may not"
    )


def described(config: type) -> dict[str, str]:
    """What the docstring of a class says of each field, by the names that stand before the colon."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.getdoc(config).splitlines()[2:]:  # type: ignore[union-attr]
        start = re.match(r"((?:\w+, )*\w+): ", line)
        if start:
            names = start[1].split(", ")
            line = line[start.end() :]
        for name in names:
            found[name] = f"{found.get(name, '')} {line}".strip()
    return found


def given(config: type) -> dict[str, tuple[object, object]]:
    """The fields that a user gives, with their types and defaults."""
    return {each.name: (each.type, each.default) for each in dataclasses.fields(config) if each.init}


@pytest.mark.parametrize("config", [ClientConfig, ServerConfig])
def test_every_field_is_described_on_the_class_that_the_user_holds(config: type) -> None:
    """And nothing else."""
    assert set(described(config)) == set(given(config))
    assert all(described(config).values())


def test_fields_that_both_have_are_the_same() -> None:
    """By type, default and description."""
    client, server = given(ClientConfig), given(ServerConfig)
    # A server needs credentials, and chooses them otherwise; its external PSKs stand for clients.
    shared = client.keys() & server.keys() - {"credentials", "psk_peers"}
    assert len(shared) > 15
    assert {name: client[name] for name in shared} == {name: server[name] for name in shared}
    words = described(ClientConfig), described(ServerConfig)
    assert {name: words[0][name] for name in shared} == {name: words[1][name] for name in shared}


def test_the_settings_of_a_configuration_are_in_groups() -> None:
    """One object for all connections; a server that judges nobody trusts nobody."""
    client, server = client_config(), ServerConfig(credentials=credentials("localhost"))
    assert client.settings.trust.anchors is anchors() and server.settings.trust is None
    assert server.settings.trust is None and server.settings.fetch is None
    assert not server.settings.judges_again
    later = client_config(post_handshake_auth=True, judge_again="lapse").settings
    assert later.identity.is_shown_later and later.judges_again
    assert later.limits.handshake_timeout == 30.0
    replaced = dataclasses.replace(client, handshake_timeout=5.0)
    assert replaced.settings.limits.handshake_timeout == 5.0
    assert client.settings.limits.handshake_timeout == 30.0
