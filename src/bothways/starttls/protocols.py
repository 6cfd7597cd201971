"""The protocols with STARTTLS, by the names that `openssl s_client -starttls` uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bothways.arguments import text
from bothways.errors import UsageError
from bothways.starttls import databases, ldap, lines, xmpp
from bothways.starttls.talk import Talk, Wait

Script = Callable[[Talk, str], Wait[None]]


class Protocol(NamedTuple):
    """One protocol with STARTTLS.

    name: as in commands.  title: its usual name.  port: the default port without TLS.  script: the client's side.
    """

    name: str
    title: str
    port: int
    script: Script


PROTOCOLS: Mapping[str, Protocol] = {
    each.name: each
    for each in (
        Protocol("smtp", "SMTP", 25, lines.smtp),
        Protocol("lmtp", "LMTP", 24, lines.lmtp),
        Protocol("imap", "IMAP", 143, lines.imap),
        Protocol("pop3", "POP3", 110, lines.pop3),
        Protocol("ftp", "FTP", 21, lines.ftp),
        Protocol("nntp", "NNTP", 119, lines.nntp),
        Protocol("sieve", "ManageSieve", 4190, lines.sieve),
        Protocol("ldap", "LDAP", 389, ldap.ldap),
        Protocol("postgres", "PostgreSQL", 5432, databases.postgres),
        Protocol("mysql", "MySQL", 3306, databases.mysql),
        Protocol("xmpp", "XMPP", 5222, xmpp.client),
        Protocol("xmpp-server", "XMPP between servers", 5269, xmpp.server),
    )
}
ALIASES: Mapping[str, str] = {"postgresql": "postgres", "mariadb": "mysql", "managesieve": "sieve"}
# In these the client speaks first: what a server said before TLS would be missing for a program behind a tunnel.
CLIENT_SPEAKS_FIRST = ("postgres", "ldap")


def protocol_named(name: str) -> Protocol:
    """Return the protocol with this name, in any case. Raises UsageError for another one, ConfigError for no text."""
    lower = text("starttls", name).lower()
    found = PROTOCOLS.get(ALIASES.get(lower, lower))
    if found is None:
        raise UsageError(f"no protocol {name!a} for STARTTLS; there are {', '.join(PROTOCOLS)}")
    return found
