"""Tunnels to servers without certificates, and what else the options of the command say: the same keys in the file."""

from __future__ import annotations

import asyncio
import contextlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from bothways import ConfigError, ExternalPSKs, PinnedKeys, RawKeyCredentials
from bothways.testing import MutualTLS
from gateway_talk import Setting, until
from tunnel_talk import connected, counted, echoed, is_cut, port, tls_server, write

pytestmark = pytest.mark.network


def keys_of(own: str, *peers: str) -> str:
    """A file of pre-shared keys."""
    tables = "".join(
        f'[[key]]\nidentity = "{each}"\nsecret = "{sha256(each.encode()).hexdigest()}"\npeer = "{each}"\n'
        for each in peers
    )
    return f'own = "{own}"\n{tables}'


def replaced(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(path)


def raw_key(path: Path) -> RawKeyCredentials:
    key = ed25519.Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return RawKeyCredentials.from_file(path)


def table(server: int, *keys: str) -> str:
    lines = ["[[tunnel]]", 'name = "db"', 'unix = "db.sock"', f'server = "localhost:{server}"', *keys]
    return "\n".join(lines) + "\n"


def test_a_server_is_trusted_by_the_pin_of_its_key_until_it_is_removed(setting: Setting) -> None:
    """We show ours, too; lines and the audit file say which key it was. The last pin may go: then nobody is trusted."""
    ours, theirs = raw_key(setting.folder / "me.key"), raw_key(setting.folder / "server.key")
    pin = setting.folder / "server.pin"
    replaced(pin, f"{theirs.public.fingerprint} db\n")
    known = PinnedKeys.from_digests([ours.public.fingerprint])
    who: list[Any] = []

    async def talk() -> None:
        config = {"raw_key": theirs, "client_pins": known, "credentials": (), "client_anchors": None}
        async with tls_server(setting, peers=who, **config) as server:
            write(
                setting,
                table(port(server), 'raw_key = "me.key"', 'pin = "server.pin"'),
                '[audit]\nfile = "audit.log"\n',
            )
            async with setting.gateway() as gateway:
                program = await connected(setting)
                assert await echoed(program, b"a") == b"a"
                replaced(pin, "# nobody\n")
                assert await is_cut(program)
                assert await is_cut(await connected(setting))
                removed, refused = await setting.until_reported(2)
                assert await counted(gateway, "decisions", "db", "withdrawn") == 1
        named = f"raw public key {theirs.public.fingerprint} (db)"
        assert removed["who"]["key"] == named[:120]
        assert (removed["verdict"], removed["code"]) == ("withdrawn", "RAW_KEY_NOT_PINNED")
        assert (refused["verdict"], refused["code"]) == ("refused", "RAW_KEY_NOT_PINNED")
        assert named[:60] in (setting.folder / "audit.log").read_text()

    asyncio.run(talk())
    assert [each.raw_key == ours.public for each in who] == [True]


def test_a_server_that_has_our_pre_shared_key_is_trusted_until_the_key_is_removed(setting: Setting) -> None:
    """A removed key is no reason to refuse the file, which would keep it in use."""
    path, theirs = setting.folder / "keys.toml", setting.folder / "theirs.toml"
    replaced(path, keys_of("laptop", "localhost", "other.example"))
    secret = sha256(b"localhost").hexdigest()
    theirs.write_text(
        f'own = "localhost"\n[[key]]\nidentity = "localhost"\nsecret = "{secret}"\npeer = "laptop"\n'
    )

    async def talk() -> None:
        config = {"psk_peers": ExternalPSKs.from_file(theirs), "credentials": (), "client_anchors": None}
        async with tls_server(setting, **config) as server:
            write(setting, table(port(server), 'psk = "keys.toml"'))
            async with setting.gateway() as gateway:
                program = await connected(setting)
                assert await echoed(program, b"a") == b"a"
                for kept in (("other.example",), ()):
                    before = gateway.routes
                    replaced(path, keys_of("laptop", *kept))
                    await until(lambda before=before: gateway.routes is not before)
                assert await is_cut(program)
                assert await is_cut(await connected(setting))
                removed, refused = await setting.until_reported(2)
        assert removed["who"]["key"] == "localhost (by a pre-shared key)"
        assert (removed["verdict"], removed["code"]) == ("withdrawn", "PSK_REMOVED")
        assert refused["code"] == "BACKEND_UNREACHABLE"
        assert "no key has the peer localhost" in refused["ended"]

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("peers", "mode", "problem"),
    [
        (("other.example",), 0o600, "tunnel db: psk: no key has the peer localhost"),
        ((), 0o600, "keys.toml: it contains no key"),
        (("localhost",), 0o644, "keys.toml: it contains secrets, and users other than its owner"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_at_the_start(
    setting: Setting, peers: tuple[str, ...], mode: int, problem: str
) -> None:
    replaced(setting.folder / "keys.toml", keys_of("laptop", *peers))
    (setting.folder / "keys.toml").chmod(mode)
    write(setting, table(1, 'psk = "keys.toml"'))
    with pytest.raises(ConfigError, match=problem):
        setting.load()


def test_a_file_of_keys_that_is_not_there_is_told_by_its_name(setting: Setting) -> None:
    write(setting, table(1, 'psk = "psk_peers.toml"'))
    with pytest.raises(ConfigError, match="tunnel db: .*psk_peers.toml: cannot be read"):
        setting.load()


def test_a_raw_key_with_a_password_is_refused_with_what_to_do(setting: Setting) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (setting.folder / "me.key").write_bytes(secret)
    replaced(setting.folder / "server.pin", f"{raw_key(setting.folder / 'server.key').public.fingerprint}\n")
    write(setting, table(1, 'raw_key = "me.key"', 'pin = "server.pin"'))
    with pytest.raises(ConfigError, match="tunnel db: .*me.key: it is encrypted, and a gateway asks nobody"):
        setting.load()


def test_revocation_of_the_server_is_checked_as_the_file_says(setting: Setting) -> None:
    """As `revocation` of a route: the only CRL is of another CA, so that nothing is known of the server."""
    mine = setting.mutual.identity("client")
    own = (f'certificate = "{mine.cert}"', f'key = "{mine.key}"')
    judged = (f'ca = "{setting.mutual.ca}"', 'crl = "other/crl.pem"')
    (setting.folder / "other").mkdir()
    with MutualTLS(setting.folder / "other"):
        pass

    async def talk() -> None:
        async with tls_server(setting) as server:
            codes = {}
            for preset in ("require", "tolerant"):
                write(setting, table(port(server), *own, *judged, f'revocation = "{preset}"'))
                async with setting.gateway():
                    program = await connected(setting)
                    program[1].write_eof()
                    with contextlib.suppress(ConnectionError):
                        await program[0].read()
                    program[1].close()
                    *_, line = await setting.until_reported(len(codes) + 1)
                    codes[preset] = line["code"]
        assert codes == {"require": "REVOCATION_UNKNOWN", "tolerant": "CLOSED"}

    asyncio.run(talk())
