"""Handshakes signed by keys in a PKCS#11 token (SoftHSM2), in every scheme that its keys have."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import pki
from bothways import ClientConfig, ServerConfig, TrustStore
from bothways.errors import ConfigError
from bothways.iana import SignatureScheme
from bothways.net import connect
from bothways.signers import PinNeeded, PinWrong, TokenSigner, TokenUnavailable, token_credentials
from bothways.signers import token as token_module
from bothways.tls.crypto.signing import is_signature
from bothways.tokens.key_uri import KeyURI
from bothways.tokens.token import pin_for
from command_line import bothways, environment, run_command
from interop import peers
from interop.programs import PATIENCE, serving
from tokens.soft_tokens import PIN, Token, new_token

pytestmark = [pytest.mark.interop, pytest.mark.network]

KEYS = {
    "P-256": (ec.generate_private_key(ec.SECP256R1()), ("ecdsa_secp256r1_sha256",)),
    "P-384": (ec.generate_private_key(ec.SECP384R1()), ("ecdsa_secp384r1_sha384",)),
    "RSA": (
        rsa.generate_private_key(65537, 2048),
        (
            *(f"rsa_pss_rsae_sha{size}" for size in (256, 384, 512)),
            *(f"rsa_pkcs1_sha{size}" for size in (256, 384, 512)),
        ),
    ),
}


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Token:
    return new_token(monkeypatch)


def imported(token: Token, kind: str, folder: Path, label: str = "server") -> pki.Issued:
    """A certificate whose key is in the token."""
    key = KEYS[kind][0]
    path = folder / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    program = peers.find("softhsm2-util")
    command = [
        program,
        "--import",
        str(path),
        "--token",
        token.name,
        "--label",
        label,
        "--id",
        "a1b2",
        "--pin",
        PIN,
    ]
    subprocess.run(command, check=True, capture_output=True)
    path.unlink()
    import pkcs11

    pkcs11.lib(token.module).reinitialize()
    return pki.leaf(pki.root(), "localhost", own_key=key)


@pytest.mark.parametrize("kind", KEYS)
def test_a_token_signs_by_every_scheme_of_its_key(kind: str, token: Token, tmp_path: Path) -> None:
    """RFC 9846 4.3.3: as `cryptography` verifies it."""
    issued = imported(token, kind, tmp_path)
    signer = TokenSigner(KeyURI.parse(token.uri("server")), PIN)
    for scheme in KEYS[kind][1]:
        signature = signer.submit(scheme, b"handshake").result(PATIENCE)
        assert is_signature(SignatureScheme[scheme], issued.certificate, b"handshake", signature), scheme
    with pytest.raises(TokenUnavailable, match="does not sign by ed25519"):
        signer.submit("ed25519", b"handshake").result(PATIENCE)
    assert PIN not in repr(signer)


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_many_handshakes_at_once_prove_themselves_by_a_token(
    version: str, token: Token, tmp_path: Path
) -> None:
    """Each thread has its own session; the other side is OpenSSL's view of the signature through `cryptography`."""
    issued = imported(token, "P-256", tmp_path)
    own = token_credentials(issued.chain_pem, token.uri("server"), PIN, at_once=4)
    trusted = TrustStore.from_pem(pki.root().pem)
    config = ServerConfig(credentials=own, client_anchors=trusted)
    caller = ClientConfig(anchors=trusted, credentials=own, versions=(version,))
    with serving(config) as ours, ThreadPoolExecutor(8) as threads:

        def call(number: int) -> bytes:
            with connect("127.0.0.1", ours.port, caller, "localhost", timeout=PATIENCE) as channel:
                channel.sendall(b"%d" % number)
                return channel.recv(10)

        assert list(threads.map(call, range(12))) == [b"%d" % number for number in range(12)]


def test_faults_of_a_token_are_reported_at_once(token: Token, tmp_path: Path) -> None:
    issued = imported(token, "P-256", tmp_path)
    made = partial(token_credentials, issued.chain_pem)
    with pytest.raises(PinNeeded):
        made(token.uri("server"))
    with pytest.raises(PinWrong):
        made(token.uri("server"), "wrong-pin")
    with pytest.raises(TokenUnavailable, match="has no private key 'other'"):
        made(token.uri("other"), PIN)
    with pytest.raises(TokenUnavailable, match="not found"):
        made("pkcs11:token=nowhere;object=server", PIN)
    with pytest.raises(ConfigError, match="not a PKCS#11 URI"):
        made("file:key.pem", PIN)
    stranger = pki.leaf(pki.root(), "localhost")
    with pytest.raises(ConfigError, match="does not belong to the certificate of CN=localhost"):
        token_credentials(stranger.chain_pem, token.uri("server"), PIN)


def test_a_token_that_was_begun_anew_signs_again(token: Token, tmp_path: Path) -> None:
    """Its sessions are gone, as when it was taken out: one signature fails, the next opens another session."""
    import pkcs11

    issued = imported(token, "P-256", tmp_path)
    signer = TokenSigner(KeyURI.parse(token.uri("server")), PIN, at_once=1)
    signer.submit("ecdsa_secp256r1_sha256", b"data").result(PATIENCE)
    pkcs11.lib(token.module).reinitialize()
    with pytest.raises(TokenUnavailable):
        signer.submit("ecdsa_secp256r1_sha256", b"data").result(PATIENCE)
    signature = signer.submit("ecdsa_secp256r1_sha256", b"data").result(PATIENCE)
    assert is_signature(SignatureScheme.ecdsa_secp256r1_sha256, issued.certificate, b"data", signature)


def _in_a_child(signer: TokenSigner, result: Callable[[bytes], None]) -> None:
    result(signer.submit("ecdsa_secp256r1_sha256", b"data").result(PATIENCE))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking with threads, which is what is tested
def test_a_process_that_is_forked_while_a_session_is_opened_signs(
    token: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock that the opening thread has is held by nobody in the new process."""
    imported(token, "P-256", tmp_path)
    signer = TokenSigner(KeyURI.parse(token.uri("server")), PIN)
    opens, may_go_on, parent = threading.Event(), threading.Event(), os.getpid()

    def slowly(*arguments: Any) -> Any:
        if os.getpid() == parent:
            opens.set()
            assert may_go_on.wait(PATIENCE)
        return pin_for(*arguments)

    monkeypatch.setattr(token_module, "pin_for", slowly)
    first = signer.submit("ecdsa_secp256r1_sha256", b"data")
    assert opens.wait(PATIENCE)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=_in_a_child, args=(signer, results.put))
    child.start()
    child.join(PATIENCE)
    may_go_on.set()
    assert child.exitcode == 0 and results.get() and first.result(PATIENCE)


def test_a_command_takes_the_uri_of_a_key(token: Token, tmp_path: Path) -> None:
    """`--key pkcs11:...`, with the PIN in a file; without one it says where to put it."""
    issued = imported(token, "P-256", tmp_path)
    (tmp_path / "cert.pem").write_bytes(issued.chain_pem)
    (tmp_path / "root.pem").write_bytes(pki.root().pem)
    (tmp_path / "pin").write_text(PIN + "\n")
    own = token_credentials(issued.chain_pem, token.uri("server"), PIN)
    config = ServerConfig(credentials=own, client_anchors=TrustStore.from_pem(pki.root().pem))
    command = bothways("connect", "--ca", str(tmp_path / "root.pem"))
    command += ["--cert", str(tmp_path / "cert.pem"), "--name", "localhost"]
    with serving(config) as ours:
        command += [f"127.0.0.1:{ours.port}"]
        done = run_command(
            [*command, "--key", token.uri("server", f"?pin-source={tmp_path / 'pin'}")],
            input=b"hello", capture_output=True, timeout=60, env=environment(),
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, b"hello"), done.stderr
        assert getattr(ours.outcome(), "peer", None) is not None
    done = run_command(
        [*command, "--key", token.uri("server")],
        input=b"",
        capture_output=True,
        timeout=60,
        env=environment(),
    )
    assert done.returncode == 2 and b"needs its PIN" in done.stderr and b"pin-source=" in done.stderr
