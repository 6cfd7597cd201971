"""The credentials of a gateway: in PKCS#12, under a password, or with a key in a token."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from bothways import ConfigError
from bothways.gateway.config.credential_files import CredentialFiles
from bothways.gateway.files.held import FileReader, Held, Making
from bothways.signers import TokenSigner
from bothways.testing import Identity, MutualTLS
from cli_scripting import Background
from gateway_talk import Setting, behind, port, service
from interop import peers
from tokens.soft_tokens import PIN, Token, new_token

pytestmark = pytest.mark.network


def as_p12(mine: Identity, password: bytes) -> bytes:
    leaf, *above = x509.load_pem_x509_certificates(mine.cert.read_bytes())
    key = load_pem_private_key(mine.key.read_bytes(), None)
    return pkcs12.serialize_key_and_certificates(b"me", key, leaf, above, BestAvailableEncryption(password))


def encrypted(mine: Identity, password: bytes) -> bytes:
    key = load_pem_private_key(mine.key.read_bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))


def write(
    setting: Setting, own: str, route: str = 'backend = "127.0.0.1:1"\nallow = "any verified client"'
) -> None:
    """The file of a gateway with other lines about its own credentials."""
    mine = setting.mutual.identity("server")
    lines = f'certificate = "pki/{mine.cert.name}"\nkey = "pki/{mine.key.name}"\n'
    text = setting.write(route).read_text()
    assert lines in text
    setting.path.write_text(text.replace(lines, own))


P12 = 'certificate = "me.p12"\npassword_file = "password"\n'


def test_pkcs12_serves_and_is_read_again_with_its_password(setting: Setting) -> None:
    """RFC 7292: a renewed file under another password counts once both are there."""
    p12, password = setting.folder / "me.p12", setting.folder / "password"
    p12.write_bytes(as_p12(setting.mutual.identity("server"), b"first"))
    password.write_bytes(b"first\n")
    other = MutualTLS(_folder(setting.folder / "other")).identity("server")

    async def talk() -> None:
        async with service() as behind:
            write(setting, P12, behind.route())
            async with setting.gateway() as gateway:
                _, writer = await setting.open(gateway)
                password.write_bytes(b"open-sesame\n")
                p12.write_bytes(as_p12(other, b"open-sesame"))
                async with asyncio.timeout(60):
                    while True:
                        [route] = gateway.routes.all
                        if route.server.settings.identity.own[0].certificate != _leaf(setting):
                            break
                        await asyncio.sleep(0.02)
                writer.write(b"still here")
        assert not any("sesame" in each for each in setting.lines)

    asyncio.run(talk())


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _leaf(setting: Setting) -> x509.Certificate:
    return x509.load_pem_x509_certificate(setting.mutual.identity("server").cert.read_bytes())


def test_an_encrypted_key_is_opened_by_the_password_of_a_file(setting: Setting) -> None:
    mine = setting.mutual.identity("server")
    (setting.folder / "me.key").write_bytes(encrypted(mine, "pässword".encode()))
    (setting.folder / "password").write_bytes("\ufeffpässword\r\n".encode())
    write(setting, f'certificate = "pki/{mine.cert.name}"\nkey = "me.key"\npassword_file = "password"\n')
    assert setting.load().all


@pytest.mark.parametrize(
    ("own", "password", "problem"),
    [
        (
            'certificate = "me.p12"\n',
            b"",
            "me.p12: it is encrypted, and a gateway asks nobody for a password",
        ),
        (P12, b"wrong", "me.p12: the password is wrong"),
        (P12, b"", "password: its first line is empty"),
        ('password_file = "password"\n', b"x", "`password_file` without `certificate`"),
    ],
)
def test_a_key_that_cannot_be_opened_is_refused_with_what_to_do(
    setting: Setting, own: str, password: bytes, problem: str
) -> None:
    (setting.folder / "me.p12").write_bytes(as_p12(setting.mutual.identity("server"), b"first"))
    (setting.folder / "password").write_bytes(password)
    write(setting, own)
    with pytest.raises(ConfigError, match="gateway.toml") as refused:
        setting.load()
    assert problem in str(refused.value)
    assert "first\n" not in str(refused.value)


# -- keys in a token ---------------------------------------------------------------------------------------


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Token:
    return new_token(monkeypatch)


def keep(setting: Setting, token: Token) -> str:
    """Put the key of the server into a token, and take it from its folder; returns the lines for the file."""
    mine = setting.mutual.identity("server")
    subprocess.run(
        [peers.find("softhsm2-util"), "--import", str(mine.key), "--token", token.name, "--label", "server",
         "--id", "a1b2", "--pin", PIN],
        check=True, capture_output=True,
    )  # fmt: skip
    import pkcs11

    pkcs11.lib(token.module).reinitialize()
    mine.key.unlink()
    (setting.folder / "pin").write_text(f"{PIN}\n")
    return f'certificate = "pki/{mine.cert.name}"\nkey = "{token.uri("server")}"\npassword_file = "pin"\n'


def test_a_key_in_a_token_proves_the_gateway(setting: Setting, token: Token) -> None:
    own = keep(setting, token)

    async def talk() -> None:
        async with service() as behind:
            write(setting, own, behind.route())
            async with setting.gateway() as gateway:
                assert port(gateway)
                reader, writer = await setting.open(gateway)
                writer.write(b"x")
                assert await reader.read(1) == b"x"

    asyncio.run(talk())


def test_every_worker_signs_by_the_token(setting: Setting, token: Token) -> None:
    """Each process has a session of its own; the supervisor has one, too, and is left alone by their forks."""
    own = keep(setting, token)
    with behind() as port_behind:
        write(setting, own, f'backend = "127.0.0.1:{port_behind}"\nallow = "any verified client"')
        server = Background(["gateway", "-c", "gateway.toml", "--workers", "2"], setting.folder)
        try:
            for _ in range(6):
                with setting.mutual.client().connect("127.0.0.1", int(server.port or 0)) as channel:
                    channel.sendall(b"hello\n")
                    assert channel.recv(6) == b"hello\n"
        finally:
            server.end()
    assert "Traceback" not in server.printed and PIN not in server.printed


def test_a_renewed_certificate_goes_on_with_the_session_of_its_key(setting: Setting, token: Token) -> None:
    keep(setting, token)
    mine = setting.mutual.identity("server")
    own = CredentialFiles(str(mine.cert), token.uri("server"), str(setting.folder / "pin"))
    first = Making(FileReader(), Held(), (), datetime.now(UTC), keeps=False)
    one = first.credentials(own)
    again = Making(FileReader(), first.held, {str(mine.cert)}, datetime.now(UTC), keeps=True)
    two = again.credentials(own)
    assert one is not two
    assert isinstance(one.holder, TokenSigner) and one.holder is two.holder
    mine.cert.write_bytes(setting.mutual.identity("client").cert.read_bytes())
    other = Making(FileReader(), first.held, {str(mine.cert)}, datetime.now(UTC), keeps=True)
    assert other.credentials(own) is one, "a certificate of another key leaves the earlier one in use"
    assert "the key in the token does not belong to the certificate" in str(other.kept[0][1])


@pytest.mark.parametrize(
    ("key", "pin", "problem"),
    [
        ("server", "", "needs its PIN: name a file with it in `password_file`"),
        ("nothing", f"{PIN}\n", "has no private key"),
        ("server?pin-value=1", f"{PIN}\n", "must not contain the PIN"),
    ],
)
def test_a_token_that_cannot_be_used_refuses_the_file(
    setting: Setting, token: Token, key: str, pin: str, problem: str
) -> None:
    lines = keep(setting, token).replace("object=server", f"object={key}")
    if not pin:
        lines = lines.replace('password_file = "pin"\n', "")
    write(setting, lines)
    with pytest.raises(ConfigError) as refused:
        setting.load()
    assert problem in str(refused.value)
    assert PIN not in str(refused.value)
