"""The server's side of an exchange: a client requests TLS of us, in front of a service that has none.

Nothing of what a client sends before TLS reaches the service, and what it sends ahead of our answers is refused and
never taken for what was sent inside TLS (CVE-2011-0411, CVE-2021-23214).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bothways.errors import UsageError
from bothways.starttls import accept_ldap, accept_lines, accept_postgres, lines
from bothways.starttls.exchange import Exchange
from bothways.starttls.protocols import ALIASES
from bothways.starttls.talk import Talk, TalkLimits, Wait

CLIENT_LIMITS = TalkLimits(line=2048, lines=32, total=8 * 1024)


class Accepted(NamedTuple):
    """One protocol in which clients can request TLS.

    name: as in commands.  title: its usual name.  script: our side.  greeting: reads the greeting of the service behind
    us, since our client has already got one from us; None where the client speaks first.  alpn: the application
    protocol that a client offers if it begins with TLS at once; None where that is not possible.
    """

    name: str
    title: str
    script: Callable[[Talk], Wait[None]]
    greeting: Callable[[Talk], Wait[None]] | None = None
    alpn: str | None = None


ACCEPTED: Mapping[str, Accepted] = {
    each.name: each
    for each in (
        Accepted("postgres", "PostgreSQL", accept_postgres.postgres, alpn="postgresql"),
        Accepted("smtp", "SMTP", accept_lines.smtp, lines.smtp_greeting),
        Accepted("imap", "IMAP", accept_lines.imap, lines.imap_greeting),
        Accepted("ldap", "LDAP", accept_ldap.ldap),
    )
}


def accepted_named(name: str) -> Accepted:
    """Return the protocol with this name, in any case. Raises UsageError."""
    lower = name.lower()
    found = ACCEPTED.get(ALIASES.get(lower, lower))
    if found is None:
        raise UsageError(
            f"clients cannot request TLS of us in {name!a}; they can in {', '.join(ACCEPTED)}, "
            "and in every other protocol they begin with TLS"
        )
    return found


class AcceptTLS(Exchange):
    """The server's side of one exchange.

    protocol: in which the client requests TLS.  Attributes: `rest`, the first bytes of TLS of a client that began with
    TLS at once.
    """

    def __init__(self, protocol: Accepted) -> None:
        talk = Talk(protocol.title, "client", CLIENT_LIMITS)
        super().__init__(talk, protocol.script(talk))


class Greeting(Exchange):
    """What a service says first, read in the place of a client that we have greeted. Raises StartTLSFailed."""

    def __init__(self, protocol: Accepted, script: Callable[[Talk], Wait[None]]) -> None:
        talk = Talk(protocol.title)
        super().__init__(talk, script(talk))


def greeting_of(protocol: Accepted | None) -> Greeting | None:
    """Return what reads the greeting of a service behind us; None where it sends none, or we sent none to the client.

    protocol: in which the client requested TLS; None if it requested none.
    """
    if protocol is None or protocol.greeting is None:
        return None
    return Greeting(protocol, protocol.greeting)
