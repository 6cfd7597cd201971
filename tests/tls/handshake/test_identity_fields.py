"""The fields of a configuration about identity and trust: combinations that cannot work are refused at once."""

from __future__ import annotations

from typing import Any

import pytest

from bothways import ClientConfig, ConfigError, ServerConfig
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from tls.handshake.conversations import client_config, credentials, pinned, raw_key


@pytest.mark.parametrize(
    ("make", "fields", "problem"),
    [
        (ClientConfig, {}, "anchors: expected a TrustStore"),
        (ClientConfig, {"pins": ["aa"]}, "never trusted without a pin"),
        (ClientConfig, {"pins": pinned("a"), "versions": ("1.2",)}, "pins: raw public keys need TLS 1.3"),
        (ClientConfig, {"pins": pinned("a"), "raw_key": "key"}, "expected RawKeyCredentials, not str"),
        (
            ClientConfig,
            {"pins": pinned("a"), "judge_again": "change"},
            "nor are anchors, pins or external PSKs watched",
        ),
        (
            ClientConfig,
            {"pins": pinned("a"), "revocation": Revocation(crls=CRLStore())},
            "cannot be revoked; remove its pin",
        ),
        (
            ClientConfig,
            {"pins": pinned("a"), "raw_key": raw_key("a"), "schemes": ("ed25519",)},
            "raw_key: no scheme in `schemes` fits",
        ),
        (ServerConfig, {}, "a raw_key, or psk_peers"),
        (
            ServerConfig,
            {"raw_key": raw_key("a"), "versions": ("1.2",)},
            "raw_key: raw public keys need TLS 1.3",
        ),
        (ServerConfig, {"raw_key": raw_key("a"), "unknown_server_name": "refuse"}, "there are no names"),
        (
            ServerConfig,
            {"raw_key": raw_key("a"), "client_pins": pinned("a"), "client_auth": "none"},
            "client_pins: not used",
        ),
        (ServerConfig, {"raw_key": raw_key("a"), "client_auth": "require"}, "client_anchors: missing"),
        (
            ServerConfig,
            {"raw_key": raw_key("a"), "client_pins": pinned("a"), "client_auth": "later"},
            "requested in the handshake, and not 'later'",
        ),
    ],
)
def test_configuration_that_cannot_work_is_refused(make: Any, fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make(**fields)


def test_raw_keys_alone_leave_tls_1_2_out() -> None:
    """TLS 1.2 has another form of Certificate for them, and shows it to everybody; it is not supported."""
    for config in (
        ClientConfig(pins=pinned("localhost")),
        ClientConfig(anchors=client_config().anchors, raw_key=raw_key("client.example")),
        ServerConfig(raw_key=raw_key("localhost")),
        ServerConfig(credentials=credentials("localhost"), client_pins=pinned("client.example")),
    ):
        assert config.settings.negotiation.versions == (0x0304,)
    both = ServerConfig(
        credentials=credentials("localhost"),
        raw_key=raw_key("localhost"),
        client_anchors=client_config().anchors,
        client_pins=pinned("client.example"),
    )
    assert 0x0303 in both.settings.negotiation.versions


def test_the_default_with_pins_is_to_require_a_client() -> None:
    assert ServerConfig(raw_key=raw_key("localhost"), client_pins=pinned("a")).client_auth == "require"
    assert ServerConfig(raw_key=raw_key("localhost")).client_auth == "none"
