"""Attributes of a context: what holds anyway is taken, and nothing else."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from bothways import ConfigError
from bothways.ssl import SSLContext
from bothways.trust import CRLStore, Revocation
from ssl_pair import client_context, server_context

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

TAKEN: list[tuple[str, Any]] = [
    ("verify_mode", ssl.CERT_REQUIRED),
    ("verify_mode", 2),
    ("check_hostname", True),
    ("hostname_checks_common_name", False),
    ("minimum_version", V12),
    ("minimum_version", ssl.TLSVersion.MINIMUM_SUPPORTED),
    ("minimum_version", ssl.TLSVersion.TLSv1),
    ("maximum_version", V13),
    ("maximum_version", ssl.TLSVersion.MAXIMUM_SUPPORTED),
    ("post_handshake_auth", False),
    ("num_tickets", 0),
    ("keylog_filename", None),
    ("sni_callback", None),
    ("_msg_callback", None),
    ("verify_flags", ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN),
]
REFUSED: list[tuple[str, Any]] = [
    ("verify_mode", ssl.CERT_NONE),
    ("verify_mode", ssl.CERT_OPTIONAL),
    ("check_hostname", False),
    ("hostname_checks_common_name", True),
    ("minimum_version", V13),
    ("maximum_version", V12),
    ("post_handshake_auth", True),
    ("num_tickets", 2),
    ("keylog_filename", "keys.log"),
    ("sni_callback", print),
    ("_msg_callback", print),
    ("_host_flags", 0),
    ("verify_flags", 0),
    ("verify_flags", ssl.VERIFY_X509_TRUSTED_FIRST),
    ("verify_flags", ssl.VERIFY_X509_STRICT),
    ("verify_flags", ssl.VERIFY_CRL_CHECK_LEAF),
    ("sslobject_class", ssl.SSLObject),
    ("sslsocket_class", ssl.SSLSocket),
    ("options", 0),
    ("options", ssl.OP_ALL),
    ("options", ssl.OP_ALL | ssl.OP_NO_SSLv3 | ssl.OP_NO_TLSv1_3),
]


@pytest.mark.parametrize(("name", "value"), TAKEN, ids=repr)
def test_a_value_that_holds_anyway_is_taken_and_changes_nothing(name: str, value: Any) -> None:
    context = client_context()
    before = getattr(context, name)
    setattr(context, name, value)
    assert getattr(context, name) == before


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=repr)
def test_every_other_value_is_refused_by_its_name(name: str, value: Any) -> None:
    context = client_context()
    before = getattr(context, name)
    with pytest.raises(ConfigError, match=name):
        setattr(context, name, value)
    assert getattr(context, name) == before


@pytest.mark.parametrize(
    "added",
    [
        ssl.OP_NO_SSLv2,
        ssl.OP_NO_SSLv3,
        ssl.OP_NO_TLSv1,
        ssl.OP_NO_TLSv1_1,
        ssl.OP_NO_COMPRESSION,
        ssl.OP_NO_TICKET,
    ],
)
def test_options_that_libraries_add_are_there_already_or_mean_nothing(added: int) -> None:
    context = client_context()
    context.options |= added
    with pytest.raises(ConfigError, match="cannot be switched off"):
        context.options &= ~ssl.OP_NO_SSLv3
    with pytest.raises(ConfigError, match="is not supported"):
        context.options |= getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 4)
    with pytest.raises(ConfigError, match="is not supported"):
        context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF


def test_options_have_the_supported_versions() -> None:
    assert client_context(versions=("1.3",)).options & ssl.OP_NO_TLSv1_2
    assert not client_context().options & (ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3)
    only = client_context(versions=("1.2",))
    assert (only.minimum_version, only.maximum_version) == (V12, V12)


def test_a_context_says_on_which_side_it_is() -> None:
    client, server = client_context(), server_context()
    assert (client.protocol, server.protocol) == (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)
    assert (client.check_hostname, server.check_hostname) == (True, False)
    for context in (client, server):
        with pytest.raises(ConfigError, match="check_hostname"):
            context.check_hostname = False
        assert context.security_level == 2
    with pytest.raises(ConfigError, match="no host names"):
        server.check_hostname = True


def test_a_server_sends_one_ticket_or_none() -> None:
    """RFC 9846 4.7.1. Of `ssl` it would be two, and of a client's context that number means nothing."""
    context = server_context()
    assert (context.num_tickets, server_context(tickets=None).num_tickets) == (1, 0)
    assert client_context().num_tickets == 0
    context.num_tickets = 1
    for value in (0, 2):
        with pytest.raises(ConfigError, match="num_tickets"):
            context.num_tickets = value
    loading = SSLContext.for_server()
    assert loading.num_tickets == 1
    loading.num_tickets = 0
    assert loading.num_tickets == 0


def test_a_server_says_whether_clients_need_a_certificate() -> None:
    modes = {
        "require": ssl.CERT_REQUIRED,
        "request": ssl.CERT_OPTIONAL,
    }
    for auth, mode in modes.items():
        context = server_context(client_auth=auth)
        context.verify_mode = mode
        assert context.verify_mode is mode
    nobody = server_context(client_anchors=None)
    assert nobody.verify_mode is ssl.CERT_NONE
    with pytest.raises(ConfigError, match="CERT_NONE would accept any peer"):
        nobody.verify_mode = ssl.CERT_NONE
    with pytest.raises(ConfigError, match="client_auth"):
        nobody.verify_mode = ssl.CERT_REQUIRED


def test_checks_of_revocation_show_in_the_flags_and_are_not_taken_back() -> None:
    context = client_context(revocation=Revocation(crls=CRLStore(())))
    assert context.verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    with pytest.raises(ConfigError, match="how peers are verified"):
        context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST


def test_certificates_shown_later_are_said_in_the_configuration() -> None:
    context = client_context(post_handshake_auth=True)
    context.post_handshake_auth = True
    assert context.post_handshake_auth
