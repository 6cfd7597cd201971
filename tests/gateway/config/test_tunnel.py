"""What the file of a gateway may say of a tunnel, and how it is told what is wrong with one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bothways import ConfigError
from bothways.addresses import TCPAddress, UnixAddress
from bothways.gateway.config.gateway import GatewayConfig, read_config
from bothways.gateway.config.listener import TUNNEL
from bothways.gateway.config.tunnel import CONNECTIONS
from bothways.starttls import PROTOCOLS

MINE = 'ca = "ca.pem"\ncertificate = "me.pem"\nkey = "me.key"\n'
TUNNEL_TABLE = f'[[tunnel]]\nunix = "db.sock"\nserver = "db.example:5432"\n{MINE}'
CLIENTS = """
[identity]
certificate = "c.pem"
client_ca = "ca.pem"
[[listener]]
port = 8443
[[route]]
backend = "localhost:80"
allow = "any verified client"
"""


def read(tmp_path: Path, text: str) -> GatewayConfig:
    path = tmp_path / "tunnel.toml"
    path.write_text(text)
    return read_config(path)


def test_a_short_table_has_a_socket_for_this_user_alone(tmp_path: Path) -> None:
    """Paths are beside the file, the server's name is that of its address, and nobody else is served."""
    config = read(tmp_path, TUNNEL_TABLE)
    [tunnel] = config.tunnels
    assert (config.listeners, config.routes) == ((), ())
    assert config.all_listeners == (tunnel.listener,)
    listener = tunnel.listener
    assert (listener.address, listener.mode) == (UnixAddress(str(tmp_path / "db.sock")), 0o600)
    assert (listener.name, listener.kind, tunnel.name) == ("tunnel 1", TUNNEL, "tunnel 1")
    assert (tunnel.server, tunnel.tls.server_name) == (TCPAddress("db.example", 5432), "db.example")
    assert (tunnel.tls.ca, tunnel.tls.crl) == (str(tmp_path / "ca.pem"), ())
    assert tunnel.tls.own is not None
    assert tunnel.tls.own.read_files == (str(tmp_path / "me.pem"), str(tmp_path / "me.key"))
    assert (tunnel.alpn, tunnel.starttls, tunnel.connections) == ((), None, CONNECTIONS)


def test_a_long_file_has_several_beside_routes_for_clients(tmp_path: Path) -> None:
    text = f"""
[[tunnel]]
name = "db"
unix = "run/.s.PGSQL.5432"
mode = "0660"
server = "10.0.0.5:5432"
server_name = "db.example"
starttls = "postgres"
alpn = "postgresql"
crl = ["a.crl", "b.crl"]
connections = 20
{MINE}
[[tunnel]]
name = "cache"
port = 6379
insecure_tcp = true
server = "unix:cache.sock"
server_name = "cache.example"
{MINE.replace("ca.pem", "system")}
"""
    config = read(tmp_path, text + CLIENTS)
    assert len(config.listeners) == len(config.routes) == 1
    database, cache = config.tunnels
    assert (database.listener.mode, database.connections) == (0o660, 20)
    assert (database.starttls, database.alpn) == (PROTOCOLS["postgres"], ("postgresql",))
    assert database.tls.crl == (str(tmp_path / "a.crl"), str(tmp_path / "b.crl"))
    assert cache.listener.address == TCPAddress("127.0.0.1", 6379)
    assert (cache.server, cache.tls.ca) == (UnixAddress(str(tmp_path / "cache.sock")), None)
    assert [each.name for each in config.all_listeners] == ["127.0.0.1:8443", "db", "cache"]


def test_a_server_may_be_trusted_by_its_key_and_we_by_ours(tmp_path: Path) -> None:
    """Then no CA is trusted, unless one is named beside; and what is known of revocation is as for clients."""
    server = '[[tunnel]]\nunix = "db.sock"\nserver = "db.example:5432"\n'
    [pinned] = read(tmp_path, server + 'raw_key = "me.key"\npin = "db.pin"\n').tunnels
    assert (pinned.tls.trusts_cas, pinned.tls.ca, pinned.tls.own) == (False, None, None)
    assert pinned.tls.read_files == (str(tmp_path / "db.pin"), str(tmp_path / "me.key"))
    [shared] = read(tmp_path, server + 'psk = "keys.toml"\n').tunnels
    assert (shared.tls.trusts_cas, shared.tls.psk) == (False, str(tmp_path / "keys.toml"))
    more = 'ocsp = "db.ocsp"\nrevocation = "leaf"\nfetch = true\nfetch_allow = "10.0.0.0/8"\npin = "db.pin"\n'
    [both] = read(tmp_path, server + MINE + more).tunnels
    assert (both.tls.trusts_cas, both.tls.ca) == (True, str(tmp_path / "ca.pem"))
    assert (both.tls.ocsp, both.tls.revocation) == ((str(tmp_path / "db.ocsp"),), "leaf")
    assert (both.tls.fetch, both.tls.fetch_allow) == (True, ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TUNNEL_TABLE.replace("unix", "port = 1 #"), "line 2: tunnel[1].port: every user and every browser"),
        (
            TUNNEL_TABLE.replace('unix = "db.sock"', 'port = 1\nhost = "0.0.0.0"\ninsecure_tcp = true'),
            "line 3: tunnel[1].host: 0.0.0.0 is not this machine",
        ),
        (
            TUNNEL_TABLE + "insecure_tcp = true\n",
            "line 7: tunnel[1].insecure_tcp: has an effect only with `port` or `systemd`",
        ),
        (TUNNEL_TABLE.replace("unix", "#"), "line 1: tunnel[1]: expected `unix`, the path of a socket; `systemd`"),
        (TUNNEL_TABLE + 'systemd = "db"\n', "line 2: tunnel[1].unix: beside `systemd`: name one of them"),
        (
            TUNNEL_TABLE.replace("server =", "sever ="),
            "line 3: tunnel[1].sever: is not known; did you mean `server`?",
        ),
        (
            TUNNEL_TABLE.replace("server = ", "# "),
            "tunnel[1]: `server` is missing: where the tunnel leads to",
        ),
        (TUNNEL_TABLE.replace(":5432", ""), "line 3: tunnel[1].server: expected HOST:PORT"),
        (TUNNEL_TABLE.replace("ca = ", "# "), "tunnel[1]: `ca` is missing: a file with the CAs trusted for the server"),
        (TUNNEL_TABLE.replace("certificate = ", "# "), "tunnel[1]: `certificate` is missing: a file with our"),
        (
            TUNNEL_TABLE.replace("db.example:5432", "unix:db"),
            "`server_name` is missing: the name that the certificate of the server must have",
        ),
        (
            TUNNEL_TABLE + 'starttls = "smtp"\n',
            "line 7: tunnel[1].starttls: in smtp the server speaks first",
        ),
        (TUNNEL_TABLE + 'starttls = "gopher"\n', "line 7: tunnel[1].starttls: no protocol 'gopher'"),
        (TUNNEL_TABLE.replace("db.sock", "@db"), "line 2: tunnel[1].unix: @db is an abstract socket, which has no"),
        (TUNNEL_TABLE.replace("db.example:5432", "unix:@db"), "line 3: tunnel[1].server: @db is an abstract socket"),
        (TUNNEL_TABLE + 'revocation = "never"\n', "line 7: tunnel[1].revocation: never is none of require"),
        (TUNNEL_TABLE + 'fetch_allow = "10.0.0.1"\n', "line 7: tunnel[1].fetch_allow: has an effect only with"),
        (
            TUNNEL_TABLE + 'fetch = true\nfetch_allow = ["10.0.0.0/8", "[::1"]\n',
            "line 8: tunnel[1].fetch_allow: '[::1' is neither a host nor a network",
        ),
        (TUNNEL_TABLE + 'alpn = ["h2", "h2"]\n', "line 7: tunnel[1].alpn: has a name twice"),
        (TUNNEL_TABLE + 'server_name = "*"\n', "line 7: tunnel[1].server_name: '*' is not a DNS name"),
        (TUNNEL_TABLE + "connections = 0\n", "line 7: tunnel[1].connections: 0 is out of range"),
        (TUNNEL_TABLE + 'mode = "rw"\n', "line 7: tunnel[1].mode: rw are no permissions"),
        (TUNNEL_TABLE + 'client_ca = "ca.pem"\n', "line 7: tunnel[1].client_ca: is not known"),
        (TUNNEL_TABLE * 2, "line 7: tunnel[2]: two listeners have the address unix:"),
        (
            TUNNEL_TABLE.replace("unix", 'name = "a"\nunix') * 2,
            "tunnel[2]: another tunnel is called a; give each its own `name`",
        ),
        (TUNNEL_TABLE.replace("[[tunnel]]", "[tunnel]"), "tunnel: there may be several: write [[tunnel]]"),
        (TUNNEL_TABLE.replace("[[tunnel]]", "[[tunel]]"), "line 1: tunel: is not known; did you mean `tunnel`?"),
        (
            TUNNEL_TABLE + '[[route]]\nbackend = "localhost:1"\nallow = "any verified client"\n',
            "no [[listener]]: nobody could connect",
        ),
        (
            TUNNEL_TABLE.replace('"db.sock"', '"a.sock"') + CLIENTS.replace("port = 8443", 'unix = "a.sock"'),
            "listener[1]: two listeners have the address unix:",
        ),
        ("".join(TUNNEL_TABLE.replace("db.sock", f"{each}.sock") for each in range(65)), "65 tunnels; at most 64"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_its_key_and_what_to_do(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(problem)) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "tunnel.toml"))
