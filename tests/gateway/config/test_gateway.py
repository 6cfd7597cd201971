"""What the file of a gateway may say, and how it is told what is wrong with one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bothways import ConfigError
from bothways.addresses import TCPAddress, UnixAddress
from bothways.gateway.access import ANYBODY
from bothways.gateway.config.gateway import GatewayConfig, GatewayLimits, Times, read_config

IDENTITY = "[identity]\ncertificate = 'c.pem'\nkey = 'c.key'\nclient_ca = 'ca.pem'\n"
LISTENER = "[[listener]]\nport = 8443\n"
ROUTE = f"[[route]]\nbackend = 'localhost:80'\nallow = '{ANYBODY}'\n"


def read(tmp_path: Path, text: str) -> GatewayConfig:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return read_config(path)


def test_a_short_file_has_the_defaults_of_an_expert(tmp_path: Path) -> None:
    """It listens on loopback alone; files are beside the file."""
    config = read(tmp_path, IDENTITY + LISTENER + ROUTE)
    [listener], [route] = config.listeners, config.routes
    assert (listener.address, listener.name) == (TCPAddress("127.0.0.1", 8443), "127.0.0.1:8443")
    assert (config.limits, config.times, config.log_format) == (GatewayLimits(), Times(), "text")
    assert (route.name, route.server_names, route.alpn, route.listeners) == ("route 1", None, (), None)
    assert (route.backend, route.backend_tls) == (TCPAddress("localhost", 80), None)
    identity = route.identity
    assert identity.own.certificate == str(tmp_path / "c.pem")
    assert (identity.own.key, identity.client_ca) == (str(tmp_path / "c.key"), str(tmp_path / "ca.pem"))
    assert (identity.crl, identity.revocation, identity.fetch, identity.fetch_allow) == ((), None, False, ())
    assert route.access.allow is None


def test_a_long_file_says_all(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
[log]
format = "json"
[limits]
connections = 10
handshakes = 8
per_address = 5
per_identity = 2
bytes_before_verdict = 131072
shared = "rediss://valkey.internal"
shared_secret = "secret"
[times]
hello = 1
handshake = 2.5
connect = 3
idle = 4
half_closed = 5
drain = 6
[identity]
certificate = "/etc/c.pem"
client_ca = "ca.pem"
crl = ["a.crl", "b.crl"]
revocation = "tolerant"
[[listener]]
name = "outside"
host = "0.0.0.0"
port = 443
[[listener]]
name = "inside"
unix = "run/in.sock"
mode = "0660"
[[route]]
name = "database"
server_names = ["DB.example.", "*.db.example"]
alpn = ["postgresql"]
listeners = ["outside"]
backend = "unix:/run/db.sock"
crl = "other.crl"
[[route.allow]]
name = "the team"
uri = "spiffe://example.org/team/*"
[[route.allow]]
dns = ["a.example", "b.example"]
ou = "x"
[[route.deny]]
cn = "mallory"
[[route]]
certificate = "d.pem"
key = "d.key"
backend = "[::1]:1"
allow = "any verified client"
fetch = true
fetch_allow = ["ocsp.example"]
[route.backend_tls]
server_name = "inner.example"
ca = "inner.pem"
certificate = "e.pem"
key = "e.key"
crl = "i.crl"
""",
    )
    assert config.log_format == "json"
    secret = os.fspath(tmp_path / "secret")
    assert config.limits == GatewayLimits(
        10, 8, 5, 2, 131072, "rediss://valkey.internal", secret, shared_news=True
    )
    assert config.times == Times(1.0, 2.5, 3.0, 4.0, 5.0, 6.0)
    outside, inside = config.listeners
    assert (outside.name, outside.address) == ("outside", TCPAddress("0.0.0.0", 443))
    assert (inside.address, inside.mode) == (UnixAddress(str(tmp_path / "run/in.sock")), 0o660)
    first, second = config.routes
    assert (first.name, first.server_names) == ("database", ("db.example", "*.db.example"))
    assert (first.alpn, first.listeners) == (("postgresql",), ("outside",))
    assert first.backend == UnixAddress("/run/db.sock")
    assert first.identity.own.certificate == "/etc/c.pem"
    assert (first.identity.own.key, first.identity.crl) == (None, (str(tmp_path / "other.crl"),))
    assert first.identity.revocation == "tolerant"
    assert [each.name for each in first.access.allow or ()] == [
        "the team",
        "dns a.example or b.example, ou x",
    ]
    assert [each.name for each in first.access.deny] == ["cn mallory"]
    assert second.identity.own.certificate == str(tmp_path / "d.pem")
    assert second.identity.crl == (str(tmp_path / "a.crl"), str(tmp_path / "b.crl"))
    assert (second.identity.fetch, second.identity.fetch_allow) == (True, ("ocsp.example",))
    tls = second.backend_tls
    assert tls is not None
    assert (tls.server_name, tls.ca, tls.own.key) == (
        "inner.example",
        str(tmp_path / "inner.pem"),
        str(tmp_path / "e.key"),
    )
    assert tls.crl == (str(tmp_path / "i.crl"),)


def rule(text: str) -> str:
    return IDENTITY + LISTENER + "[[route]]\nbackend = 'a:1'\n" + text


OTHER_LISTENER = "[[listener]]\nname = 'b'\nport = 1\n"
ALL = IDENTITY + LISTENER + ROUTE

SPIFFE_TLS = "[route.backend_tls]\nspiffe = 'unix:/a'\n"
BROKEN = [
    ("", "no [[listener]]: nobody could connect"),
    ("[listener]\nport = 1\n", "line 1: listener: there may be several: write [[listener]]"),
    (IDENTITY + "[[listeners]]\nport = 1\n", "line 5: listeners: is not known; did you mean `listener`?"),
    (IDENTITY + LISTENER + ROUTE.replace("[route]", "[routes]"), "line 7: routes: is not known; did you mean `route`?"),
    (ALL + "[status]\nport = 1\n", "line 10: status: `allow` is missing: nobody could pass; add [[status.allow]]"),
    (ALL + "[metrics]\nport = 8443\n", "line 10: metrics: two listeners have the address 127.0.0.1:8443; give one"),
    (IDENTITY + LISTENER + "host = '*'\n" + ROUTE, "line 7: listener[1].host: * is no address"),
    (IDENTITY + LISTENER, "no [[route]]: every client would be refused"),
    ('[limits]\nshared = "redis://a"\n' + IDENTITY + LISTENER, "`shared` and `shared_secret` need each other"),
    ('[limits]\nshared_secret = "a"\n' + IDENTITY + LISTENER, "`shared` and `shared_secret` need each other"),
    (
        "[limits]\nshared_news = true\n" + IDENTITY + LISTENER,
        "limits.shared_news: has an effect only with `shared`",
    ),
    (
        '[limits]\nshared = "http://a"\nshared_secret = "a"\n' + IDENTITY + LISTENER,
        "limits.shared: http://a: expected one of redis://",
    ),
    (LISTENER + ROUTE, "line 3: route[1]: `certificate` is missing here and in [identity]"),
    (IDENTITY.replace("client_ca", "client_cas") + LISTENER + ROUTE, "client_cas: is not known; did you mean `client_"),
    (IDENTITY.replace("certificate", "certificat") + LISTENER + ROUTE, "did you mean `certificate`?"),
    (IDENTITY.replace("client_ca", "ca") + LISTENER + ROUTE, "line 1: identity: `client_ca` is missing"),
    (IDENTITY + "[[listener]]\nprot = 1\n" + ROUTE, "line 5: listener[1]: expected `port`"),
    (IDENTITY + "[[listener]]\nport = 1\nhots = 'a'\n" + ROUTE,
     "line 7: listener[1].hots: is not known; did you mean `host`?"),
    (IDENTITY + "[[listener]]\nport = 65536\n" + ROUTE, "65536 is out of range; expected 0 to 65535"),
    (IDENTITY + "[[listener]]\nunix = 's'\nmode = '999'\n" + ROUTE, "999 are no permissions"),
    (IDENTITY + "[[listener]]\nunix = 's'\nmode = '7777'\n" + ROUTE, "7777 are no permissions"),
    (IDENTITY + "[[listener]]\nport = 1\nmode = '600'\n" + ROUTE, "listener[1].mode: is not known"),
    (IDENTITY + "[[listener]]\nport = 1\nhost = 'a..b'\n" + ROUTE, "neither the name of a host"),
    (IDENTITY + "[[listener]]\nport = 1\nhost = '127.0.0.1:1'\n" + ROUTE, "127.0.0.1:1 is neither the name of a host"),
    (IDENTITY + "[[listener]]\nunix = 's'\nport = 1\n" + ROUTE,
     "line 7: listener[1].port: stands beside `unix`; name one of the two"),
    (IDENTITY + "[[listener]]\nsystemd = 's'\nunix = 's'\n" + ROUTE, "listener[1].unix: stands beside `systemd`;"),
    (ALL + "[metrics]\nhost = '::1'\nunix = 's'", "line 11: metrics.host: stands beside `unix`; name one of the two"),
    (IDENTITY + 2 * LISTENER + ROUTE, "line 7: listener[2]: two listeners have the address 127.0.0.1:8443;"),
    (IDENTITY + LISTENER + LISTENER.replace("8443", "8444\nname = '127.0.0.1:8443'") + ROUTE,
     "line 7: listener[2]: another listener is called 127.0.0.1:8443; give each its own `name`"),
    (IDENTITY + LISTENER + LISTENER.replace("port", "name = 'b'\nport") + ROUTE,
     "line 7: listener[2]: two listeners have the address 127.0.0.1:8443; give one of them another `port` or"),
    (ALL + "backends = 1\n", "line 10: route[1].backends: is not known; did you mean `backend`?"),
    (ALL + "fetching = 1\n", "line 10: route[1].fetching: is not known; did you mean `fetch`?"),
    (IDENTITY + LISTENER + "[[route]]\nallow = 'any verified client'\n", "`backend` is missing"),
    (rule(""), "`allow` is missing: nobody could pass"),
    (rule("allow = 'everybody'"),
     f"line 9: route[1].allow: expected [[route.allow]] tables, or the text \"{ANYBODY}\""),
    (rule("allow = true"), "line 9: route[1].allow: expected [[route.allow]] tables, or the text"),
    (rule("[route.allow]\ndns = 'a.example'"), "line 9: route[1].allow: there may be several: write [[route.allow]]"),
    (rule("allow = []"), "`allow` is missing"),
    (rule("[[route.allow]]"), "line 9: route[1].allow[1]: is empty"),
    (rule("[[route.allow]]\nname = 'x'"), "says of nobody that it holds; add one of dns, uri,"),
    (rule("[[route.allow]]\ncn = 'a'\nip = '10.0.0.1/8'"),
     "line 11: route[1].allow[1].ip: 10.0.0.1/8 is neither an IP address nor a network (without bits of a host)"),
    (rule("[[route.allow]]\nlifetime = 0"), "line 10: route[1].allow[1].lifetime: 0 is not a number of days"),
    (rule("[[route.allow]]\ndnss = 'x'"), "line 10: route[1].allow[1].dnss: is not known; did you mean `dns`?"),
    (rule("[[route.allow]]\ndns = '*'"), "is not a DNS name"),
    (rule("[[route.allow]]\nuri = 'spiffe://EXAMPLE/x'"), "has no trust domain"),
    (rule("[[route.deny]]\nfingerprint = '00'"), "is not an SHA-256"),
    (ALL + "server_names = '192.0.2.1'", "they need a route without `server_names`"),
    (ALL + "server_names = 'a b'", "is not a DNS name, with or without a leading *."),
    (ALL + "server_names = '*.com'", "is not a DNS name"),
    (ALL + "listeners = ['x']", "no listener is called x; there is 127.0.0.1:8443"),
    (IDENTITY + LISTENER + OTHER_LISTENER + ROUTE + "listeners = ['b']", "no route is for the listener 127.0.0.1:8443"),
    (ALL + "alpn = ['\u00e4']", "is no application protocol"),
    (ALL + "revocation = 'maybe'", "maybe is none of require"),
    (ALL + "fetch_allow = ['a']", "has an effect only with `fetch = true`"),
    (ALL + "key = 'k'", "`key` without `certificate`"),
    (ALL + "[route.backend_tls]\nserver_name = 'a'", "`ca` is missing"),
    (ALL.replace("localhost:80", "unix:x") + "[route.backend_tls]\nca = 'a'", "`server_name` is missing"),
    (ALL + "[route.backend_tls]\nca = 'a'\nkey = 'k'", "`key` without `certificate`"),
    (ALL + SPIFFE_TLS, "`server_name` is missing: the SPIFFE ID of the backend"),
    (ALL + SPIFFE_TLS + "server_name = 'db.example'", "server_name: expected the SPIFFE ID of the backend"),
    (ALL + SPIFFE_TLS + "ca = 'a'\ntrust_domains = 'b'", "trust_domains: is not known"),
    (ALL + SPIFFE_TLS + "certificate = 'b'", "`spiffe` and `certificate`: name one of them"),
    (ALL + SPIFFE_TLS.replace("unix:/a", "a"), "is no address of a Workload API"),
    (ALL + SPIFFE_TLS.replace("spiffe", "spiffe_id"), "`spiffe_id` without `spiffe`"),
    (ALL + ROUTE, "line 10: route[2]: never used, since the route route 1"),
    (IDENTITY + LISTENER + 2 * (ROUTE + "name = 'a'\nalpn = 'x'\n"), "another route is called a;"),
    (ALL + "server_names = '*.a.example'\n" + ROUTE + "server_names = 'b.a.example'", "never used,"),
    (ALL + "proxy_protocol = 'v1'", "route[1].proxy_protocol: v1 is none of v2, v2-certificate"),
    (ALL + "[limits]\nconnections = 0", "0 is out of range; expected 1 to 65536"),
    (ALL + "[times]\nidle = 0", "expected seconds above 0"),
    (ALL + "[log]\nformat = 'xml'", "xml is none of text, json"),
    (ALL + "[times]\nidel = 1", "times.idel: is not known; did you mean `idle`?"),
    ("insecure = true\n" + ALL, "line 1: insecure: is not known"),
    (ALL.replace("[identity]", "[identiy]"), "line 1: identiy: is not known; did you mean `identity`?"),
    (rule("[[route.allow]]\nOU = 'x'"), "line 10: route[1].allow[1].OU: is not known; did you mean `ou`?"),
    (ALL + "mod = 'http'\nbackend_http = '2'", "line 10: route[1].mod: is not known; did you mean `mode`?"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), BROKEN)
def test_a_file_that_cannot_be_used_is_refused_whole_with_the_reason(
    tmp_path: Path, text: str, problem: str
) -> None:
    """Each names the file, the line, the key, what was expected and what to do."""
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert str(refused.value).startswith(os.fspath(tmp_path / "gateway.toml"))
    assert problem in str(refused.value)


SEPARATE = [
    (ROUTE + "server_names = 'a.example'", ROUTE),
    (ROUTE + "server_names = 'b.a.example'", ROUTE + "server_names = '*.a.example'"),
    (ROUTE + "alpn = 'h2'", ROUTE + "alpn = ['h2', 'x']"),
    (ROUTE + "alpn = 'h2'", ROUTE),
    (ROUTE + "server_names = '*.a.example'", ROUTE + "server_names = 'a.example'"),
]


@pytest.mark.parametrize(("first", "second"), SEPARATE)
def test_routes_that_take_different_clients_stand_beside_each_other(
    tmp_path: Path, first: str, second: str
) -> None:
    config = read(tmp_path, f"{IDENTITY}{LISTENER}{first}\n{second}\n")
    assert len(config.routes) == 2


def test_a_route_that_names_whom_it_trusts_trusts_nobody_else(tmp_path: Path) -> None:
    """What [identity] trusts is not added to that: one certificate would become all of a CA."""
    path = tmp_path / "gateway.toml"
    path.write_text(
        '[identity]\ncertificate = "a.pem"\nclient_ca = "ca.pem"\n[[listener]]\nport = 0\n'
        '[[route]]\nserver_names = "a.example"\nbackend = "127.0.0.1:1"\nallow = "any verified client"\n'
        'client_cert = "one.pem"\n'
        '[[route]]\nbackend = "127.0.0.1:1"\nallow = "any verified client"\n'
    )
    one, two = (each.identity for each in read_config(path).routes)
    assert (one.client_ca, one.client_cert) == (None, str(tmp_path / "one.pem"))
    assert (two.client_ca, two.client_cert) == (str(tmp_path / "ca.pem"), None)
