"""Encrypted ClientHellos between Go's crypto/tls and us, in both roles (RFC 9849)."""

from __future__ import annotations

from base64 import b64encode
from functools import cache

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bothways import Alert, ECHConfigList, ECHKey, ECHKeys, Fault, PeerAlert, PeerFault
from bothways.net import Channel
from interop.identities import Identity, client, identity
from interop.programs import calling, heard_line, serving
from interop.test_go import Start, built, go_client, go_server, our_client, our_server, reports

pytestmark = [pytest.mark.interop, pytest.mark.network]
__all__ = ["built", "go_client", "go_server"]

PUBLIC, PRIVATE = "public.example", "private.example"


@cache
def key() -> ECHKey:
    return ECHKey.generate(PUBLIC, maximum_name_length=40)


@cache
def former_key() -> ECHKey:
    return ECHKey.generate(PUBLIC, unlike=[key()])


@cache
def server() -> Identity:
    return identity("server", names=(f"DNS:{PUBLIC}", f"DNS:{PRIVATE}"))


def in_go(keys: ECHKey) -> str:
    """A key and its configuration, as our program in Go takes them."""
    raw = keys.private_key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return f"{b64encode(raw).decode()}:{b64encode(keys.config.encoded).decode()}"


@pytest.mark.parametrize("group", ["X25519", "CurveP384"])
def test_go_decrypts_our_hello(group: str, go_server: Start) -> None:
    """RFC 9849 7.1: with and without a HelloRetryRequest, and the client's certificate is accepted."""
    keys = ECHKeys([key()])
    options = ("-auth", "require", "-groups", group, "-ech-key", in_go(key()))
    with go_server(*options, who=server()) as (theirs, port):
        with calling(port, our_client(client(), ech=keys.config_list), PRIVATE) as channel:
            channel.sendall(b"hello\n")
            assert heard_line(channel) == b"hello\n"
            channel.shutdown()
        reported = reports(theirs)[0]
    assert (reported["ech"], reported["name"], reported["peer"]) == (True, PRIVATE, "sound client P-256")
    assert reported["retried"] == (group == "CurveP384")


@pytest.mark.parametrize("group", ["x25519", "secp384r1"])
def test_we_decrypt_the_hello_of_go(group: str, go_client: Start) -> None:
    """RFC 9849 6.1, with HelloRetryRequest."""
    config = our_server(server(), ech_keys=ECHKeys([former_key(), key()]), groups=(group,))
    configs = str(ECHKeys([key()]).config_list)
    with serving(config) as ours:
        reported = go_client(ours.port, "-name", PRIVATE, "-ech", configs, who=client())
        ended = ours.outcome()
    assert isinstance(ended, Channel), str(ended)
    assert (reported["error"], reported["heard"], reported["ech"]) == ("", "there and back", True)
    assert reported["retried"] == (group == "secp384r1")


def test_go_gives_us_its_new_configuration(go_server: Start) -> None:
    """RFC 9849 6.1.6: it is authenticated for the public name, and the second attempt succeeds."""
    with go_server("-auth", "request", "-ech-key", in_go(key()), who=server()) as (_, port):
        with (
            pytest.raises(PeerFault) as refusal,
            calling(port, our_client(client(), ech=ECHKeys([former_key()]).config_list), PRIVATE),
        ):
            pass
        assert refusal.value.fault is Fault.ECH_REJECTED
        configs = refusal.value.facts["retry_configs"]
        assert isinstance(configs, ECHConfigList) and configs.preferred == key().config
        with calling(port, our_client(client(), ech=configs), PRIVATE) as channel:
            channel.sendall(b"hello\n")
            assert heard_line(channel) == b"hello\n"


def test_we_give_go_our_new_configuration(go_client: Start) -> None:
    """RFC 9849 7.1: Go checks our certificate for the public name, and ends with ech_required."""
    keys = ECHKeys([key()])
    with serving(our_server(server(), auth="request", ech_keys=keys)) as ours:
        old = str(ECHKeys([former_key()]).config_list)
        reported = go_client(ours.port, "-name", PRIVATE, "-ech", old, who=client())
        ended = ours.outcome()
    assert isinstance(ended, PeerAlert) and ended.alert == Alert.ECH_REQUIRED
    assert reported["ech"] is False
    assert b64encode(bytes(keys.config_list)).decode() == reported["retry"]


def test_go_ignores_an_extension_that_only_looks_encrypted(go_server: Start) -> None:
    """RFC 9849 6.2.1, also with its retry configurations."""
    with go_server("-auth", "require", "-ech-key", in_go(key()), who=server()) as (theirs, port):
        with calling(port, our_client(client(), ech="grease"), PRIVATE) as channel:
            channel.sendall(b"hello\n")
            assert heard_line(channel) == b"hello\n"
            channel.shutdown()
        assert reports(theirs)[0]["ech"] is False
