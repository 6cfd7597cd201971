"""Encrypted ClientHellos of NSS, which Firefox has, against our server (RFC 9849).

Its server is not asked: that of NSS 3.87 in Debian makes configurations that NSS itself calls malformed.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from bothways import ECHKey, ECHKeys, PeerAlert, ServerConfig
from bothways.net import Channel
from interop.identities import anchors, client, root_file
from interop.peers import find
from interop.programs import running, serving
from interop.test_go_ech import PRIVATE, former_key, key, server

pytestmark = [pytest.mark.interop, pytest.mark.network]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of NSS with our client's key and the root."""
    folder = tmp_path_factory.mktemp("nss")
    made = client()
    leaf, *others = x509.load_pem_x509_certificates(made.chain)
    bundle = folder / "client.p12"
    private_key = load_pem_private_key(made.key, None)
    bundle.write_bytes(
        serialize_key_and_certificates(b"client", private_key, leaf, others, NoEncryption())  # type: ignore[arg-type]
    )
    at = f"sql:{folder}"
    for command in (
        ("certutil", "-N", "-d", at, "--empty-password"),
        ("pk12util", "-i", str(bundle), "-d", at, "-W", "", "-K", ""),
        ("certutil", "-A", "-d", at, "-n", "root", "-t", "CT,,", "-a", "-i", root_file(folder)),
    ):
        subprocess.run([find(command[0]), *command[1:]], check=True, capture_output=True, timeout=30)
    return folder


def call(database: Path, port: int, with_key: ECHKey) -> tuple[int, str]:
    """Connect as NSS, encrypted for a key; its status and all that it prints."""
    configs = str(ECHKeys(with_key).config_list)
    options = ("-h", "127.0.0.1", "-p", str(port), "-a", PRIVATE, "-V", "tls1.3:tls1.3", "-I", "x25519,P384")
    command = (find("tstclnt"), "-d", f"sql:{database}", "-n", "client", "-v", "-Q", "-N", configs, *options)
    with running(*command) as program:
        return program.finish(), program.printed


def our_server(*keys: ECHKey, group: str = "x25519", auth: str = "require") -> ServerConfig:
    return ServerConfig(
        credentials=server().credentials,
        client_anchors=anchors(),
        client_auth=auth,
        groups=(group,),
        ech_keys=ECHKeys(keys),
    )


def wait(channel: Channel) -> None:
    channel.recv(100)


@pytest.mark.parametrize("group", ["x25519", "secp384r1"])
def test_we_decrypt_the_hello_of_nss(group: str, database: Path) -> None:
    """RFC 9849 7.1, 7.1.1: with and without a HelloRetryRequest."""
    with serving(our_server(former_key(), key(), group=group), wait) as ours:
        status, heard = call(database, ours.port, key())
        ended = ours.outcome()
    assert isinstance(ended, Channel), f"{ended}\n{heard}"
    assert ended.peer is not None and ended.peer.names.common_name == "sound client P-256"
    assert "ECH" not in heard and status == 0


@pytest.mark.parametrize("group", ["x25519", "secp384r1"])
def test_nss_gets_our_new_configuration(group: str, database: Path) -> None:
    """RFC 9849 6.1.6, 7.1: also after a HelloRetryRequest, where it changes what it sent encrypted."""
    with serving(our_server(key(), group=group, auth="request"), wait) as ours:
        status, heard = call(database, ours.port, former_key())
        ended = ours.outcome()
    assert "SSL_ERROR_ECH_RETRY_WITH_ECH" in heard and "compatible retry_configs" in heard and status != 0
    assert isinstance(ended, PeerAlert | OSError), str(ended)
