"""How the failures of the catalogue are mended: what stands for a command's blanks, and what others change.

Most are mended alike: the faulty identity is replaced by the sound one. Rows for which that is not enough stand here
by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bothways.trust.keys.pins import PinnedKeys
from catalogue import people
from catalogue.configurations import BROKER, HAPROXY, NGINX, STUNNEL
from catalogue.more_configurations import APACHE, checking
from catalogue.prepared import IMAP_LOGIN, LDAP_LOGIN, PSK_OTHER_SECRET, PSK_SECRET
from catalogue.row import CLIENT, OURS, S_CLIENT, Row, Settings, asking, s_server, showing
from catalogue.stage import REQUEST

# What stands for the words in capitals of a command; and where another word has to.
BLANKS = {
    "CERT": "client.pem", "KEY": "client.key", "CA": "others.pem", "INTERMEDIATE": "issuing.pem", "CRL": "crl.pem",
    "PROTOCOL": "h2", "NAME": "elsewhere.example", "HOST": "localhost",
}  # fmt: skip
ACME = {"NAME": "acme.example"}
BLANKS_BY_ROW: Mapping[str, Mapping[str, str]] = {
    "client-of-the-sandbox": {"CERT": "client-production.pem", "KEY": "client-production.key"},
    "anchor-expired": {"CA": "renewed-root.pem"}, "anchor-not-yet-valid": {"CA": "timely-root.pem"},
    "server-of-a-wildcard": {"NAME": "www.acme.example"},
    "name-not-served": ACME, "name-not-served-nginx": ACME, "no-name-asked": ACME,
    "router-by-address": ACME, "misdirected": ACME,
}  # fmt: skip
# What we use then, where it is not the sound identity.
IDENTITIES = {
    "client-of-the-sandbox": "client-production",
    "client-signed-with-sha-1": "client-of-the-old-root",
    "caller-of-another-scheme": "server-rsa",
    "caller-of-another-curve": "server-rsa",
}
# What is said through a mended command, where it is no HTTP and not what the row says: of a stream of XMPP the start
# and the end (RFC 6120 4.2, 4.4).
SAID_BY_ROW = {
    "xmpp-in-the-clear": b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'></stream:stream>",
}
SAYS = ("openssl", "gnutls-cli")  # clients that wait for words to say


@dataclass(frozen=True)
class Mended:
    """A row after what was asked of others has been done. enough: what is in an answer that serves us."""

    row: Row
    settings: Settings
    blanks: Mapping[str, str]
    enough: bytes


Mend = Callable[[Row], Row]
LDAPS = (
    "env LDAPTLS_CACERT=root.pem LDAPTLS_CERT=client.pem LDAPTLS_KEY=client.key "
    "ldapsearch -x -H ldaps://127.0.0.1:PORT -b dc=acme"
)
SHOWN = "-cert client.pem -key client.key"


def command(new: str) -> Mend:
    return lambda row: replace(row, command=new, setup="")


def setup(new: str) -> Mend:
    return lambda row: replace(row, setup=new)


def words(old: str, new: str = "") -> Mend:
    return lambda row: replace(row, command=row.command.replace(old, new))


def lines(old: str, new: str = "") -> Mend:
    return lambda row: replace(row, setup=row.setup.replace(old, new))


def more(added: str) -> Mend:
    return lambda row: replace(row, command=f"{row.command} {added}")


def asks(head: str) -> Mend:
    return lambda row: replace(row, request=REQUEST.replace(b"\r\n\r\n", f"\r\n{head}\r\n\r\n".encode()))


def request(new: bytes) -> Mend:
    return lambda row: replace(row, request=new)


tls_13 = command(S_CLIENT)
python_that_speaks = words("='localhost')\"", "='localhost').sendall(b'hello')\"")
BY_ROW: Mapping[str, Mend] = {
    "server-without-list": words("-crl_check", "-CRL crl.pem -crl_check"),
    "server-with-another-psk": words(PSK_OTHER_SECRET, PSK_SECRET),
    "caller-with-another-psk": words(PSK_OTHER_SECRET, PSK_SECRET),
    "caller-with-an-unknown-psk": words("k-0000", "k-7f3a"),
    "servers-clock-ahead": words("-attime $(date +%s -d '+1 year')"),
    "servers-clock-behind": words("-attime $(date +%s -d '-2 hours')"),
    "servers-clock-years-behind": words("-attime $(date +%s -d '-3 years')"),
    "callers-clock-years-behind": words("-attime $(date +%s -d '-3 years')"),
    "callers-clock-ahead": words("-attime $(date +%s -d '+1 year')"),
    "client-too-deep-for-openssl": words("-verify_depth 1", "-verify_depth 3"),
    "servers-list-out-of-date": words("expired-crl.pem", "crl.pem"),
    "our-certificate-without-the-address-asked": lambda row: python_that_speaks(
        words("127.0.0.1", "localhost")(row)
    ),
    "servers-anchor-expired": words("expired-root", "renewed-root"),
    "servers-anchor-expired-gnutls": words("expired-root", "renewed-root"),
    "server-trusts-an-intermediate": more("-partial_chain"),
    "client-not-on-the-list": setup(HAPROXY["ada and bob"]),
    "client-not-pinned": lines("client.pem", "client-bob.pem"),
    "client-forbidden": lines("CN=ada", "CN=bob"),
    "client-not-on-apaches-list": lines('"ada"', '"bob"'),
    "password-wanted-by-mosquitto": setup(BROKER["open"]),
    "message-refused-by-mosquitto": setup(BROKER["open"]),
    "told-of-an-old-list-by-node": words("expired-crl.pem", "crl.pem"),
    "too-few-replicas-of-redis": words(" --min-replicas-to-write 1"),
    "client-not-let-in-by-mariadb": words("users.sql", "changes.sql"),
    "certificate-wanted-later": setup(NGINX["required"]),
    "certificate-wanted-by-renegotiation": command(asking("-tls1_2")),
    "client-too-deep-for-nginx": setup(NGINX["required"]),
    "client-too-deep-for-apache": setup(APACHE["required"]),
    "server-of-tls-1-0": command(s_server()),
    "server-of-tls-1-1": command(s_server()),
    "server-of-dhe": command(s_server("server-rsa")),
    "server-of-cbc": command(s_server("server-rsa")),
    "server-of-key-transport-with-cbc": command(s_server("server-rsa")),
    "server-of-dhe-by-address": command(s_server("server-rsa")),
    "server-of-pre-shared-keys": command(s_server()),
    "no-shared-scheme-probed": command(s_server("server-rsa")),
    "server-without-intermediate": command(s_server()),
    "server-signed-with-sha-1": command(s_server("server-of-the-old-root")),
    "server-with-another-key": command(s_server()),
    "server-without-extended-main-secret": command(s_server()),
    "no-shared-scheme": command(s_server("server-rsa")),
    "server-of-an-expired-root": command(s_server()),
    "nothing-listens": command(s_server()),
    "ssh": command(s_server()),
    "silent": command(s_server()),
    "server-of-suites-for-another-key": lines("server-rsa", "server"),
    "server-of-suites-for-another-key-by-address": lines("server-rsa", "server"),
    "router-without-a-server": lambda row: replace(
        row, command="haproxy -f router.cfg", setup=HAPROXY["router of all"]
    ),
    "balancer-without-a-server": setup(HAPROXY["router of all"]),
    "redis-in-the-clear": command(s_server()),
    "mosquitto-in-the-clear": command(s_server()),
    "database": command(s_server()),
    "backend-down": setup(STUNNEL["echo"]),
    "port-whose-balancer-sends-a-header": lines("proxy_protocol on; ", ""),
    "tunnel-without-a-server": setup(
        HAPROXY["gateway"].replace("mode http\n", "mode http\n  http-request return status 200\n", 1)
    ),
    "cookies-too-large": request(b""),
    "certificate-wanted-later-in-http-2": lines("SSLVerifyClient require"),
    "forwarded-in-plain": lines("proxy_pass http://127.0.0.1:PORT;", "return 200 'welcome';"),
    "no-certificate-behind-a-proxy": lines(
        "proxy_pass", "proxy_ssl_certificate client.pem; proxy_ssl_certificate_key client.key; proxy_pass"
    ),
    "bad-gateway": lines("proxy_pass http://127.0.0.1:9;", "return 200 'welcome';"),
    "unavailable": lines(
        "backend none\n  mode http", "backend none\n  mode http\n  http-request return status 200"
    ),
    "router-without-our-name": setup(HAPROXY["router of all"]),
    "port-behind-a-balancer": lines(" accept-proxy"),
    "apache-behind-a-balancer": lines("RemoteIPProxyProtocol On"),
    "password-wanted": asks("Authorization: Basic YWRhOnNlY3JldA=="),
    "token-wanted": asks("Authorization: Bearer token"),
    "proxy-password": asks("Proxy-Authorization: Basic YWRhOnNlY3JldA=="),
    "password-wanted-by-redis": request(b"AUTH secret\r\nPING\r\n"),
    "password-wanted-by-dovecot": request(IMAP_LOGIN),
    "password-wanted-by-slapd": request(LDAP_LOGIN),
    "caller-without-certificate": more("--cert client.pem --key client.key"),
    "caller-without-certificate-go": more(SHOWN),
    "caller-without-certificate-java": words("- -", "client.pem client.key"),
    "caller-without-certificate-ldap": command(LDAPS),
    "caller-without-certificate-haproxy": setup(checking("client", "hello")),
    "caller-not-allowed": words("client-bob", "client"),
    "caller-with-a-renewed-certificate": lambda row: row,
    "caller-with-another-key": command(showing("client")),
    "caller-without-extended-main-secret": command(showing("client")),
    "caller-of-tls-1-1": tls_13,
    "caller-of-key-transport": tls_13,
    "caller-of-cbc": tls_13,
    "caller-of-another-group": tls_13,
    "caller-of-another-protocol": words("-alpn h2", "-alpn echo"),
    "caller-for-another-host": tls_13,
    "caller-that-renegotiates": tls_13,
    "caller-in-plain-http": command(showing("client")),
    "caller-behind-a-proxy": command(showing("client")),
    "caller-of-certificates": command(showing("client")),
    "caller-that-looks": command(showing("client")),
    "caller-with-ldap-starttls": command(LDAPS),
    "caller-with-redis-in-the-clear": words(
        "PING", "--tls --cacert root.pem --cert client.pem --key client.key PING"
    ),
    "caller-with-postgresql": command(showing("client")),
    "caller-that-waits-for-a-greeting": command(showing("client")),
    "our-certificate-of-unknown-ca-haproxy": setup(checking(says="hello")),
    "our-certificate-without-names-python": python_that_speaks,
    "our-certificate-expired-python": python_that_speaks,
    "our-certificate-misused-and-for-another-name": python_that_speaks,
}
DER, SPKI = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
# Rows of ours above in which we change too.
WE_CHANGE_TOO = re.compile("our-certificate-.*")


def _pinned(person: str) -> PinnedKeys:
    return PinnedKeys.from_keys(
        [people.person(person).issued.certificate.public_key().public_bytes(DER, SPKI)]
    )


# What we pin, or trust instead, once the operator of the peer has confirmed its key.
PINS_BY_ROW: Mapping[str, Callable[[], Settings]] = {
    "server-with-an-unpinned-key": lambda: {"pins": _pinned("server")},
    "caller-with-an-unpinned-key": lambda: {"client_pins": _pinned("client")},
    "caller-with-a-renewed-certificate": lambda: {
        "client_anchors": people.TrustStore(
            (), exact=[people.person(each).issued.der for each in ("client", "client-fresh")]
        )
    },
    "caller-of-certificates": lambda: {
        "client_anchors": people.TrustStore([people.root().der]),
        "client_pins": None,
    },
}


def mended(row: Row) -> Mended:
    """Return the row with its faults mended."""
    new = BY_ROW.get(row.name, _sound_identities)(row)
    new = replace(new, cut=None, says="hello\n" if new.role != CLIENT and new.program in SAYS else "")
    enough = b"a OK" if row.program == "dovecot" else b""
    return Mended(new, _settings(row), {**BLANKS, **BLANKS_BY_ROW.get(row.name, {})}, enough)


def _sound_identities(row: Row) -> Row:
    """Give the peer the sound identity in place of the faulty one."""
    if row.party is OURS:
        return row
    return replace(row, command=_sound(row.command), setup=_sound(row.setup))


def _sound(text: str) -> str:
    return re.sub(r"\b(server|client)-[a-z0-9-]+(?=\.(pem|key|both))", r"\1", text)


def _settings(row: Row) -> Settings:
    """Return our settings: where we have to change, a sound identity, and nothing left out that is ours by default."""
    ours = row.ours()
    if row.name == "callers-anchor-expired":
        return {**ours, "client_anchors": people.TrustStore([people.renewed_root().der])}
    if row.name in PINS_BY_ROW:
        return {**ours, **PINS_BY_ROW[row.name]()}
    if row.party is not OURS or (row.name in BY_ROW and not WE_CHANGE_TOO.fullmatch(row.name)):
        return ours
    who = IDENTITIES.get(row.name, "client" if row.role == CLIENT else "server")
    kept = {name: value for name, value in ours.items() if name in ("client_auth", "alpn")}
    return {**kept, "credentials": people.person(who).credentials}
