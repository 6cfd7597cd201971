"""The options of servers for session tickets: their keys, or that none are issued."""

from __future__ import annotations

import os
from dataclasses import dataclass

import click

from bothways.cli.options.gathering import gathered
from bothways.cli.options.types import FILE, Text
from bothways.cli.output.terminal import refuse
from bothways.errors import ConfigError
from bothways.ticket_keys.file_store import read_private
from bothways.ticket_keys.shared import SharedTicketKeys
from bothways.ticket_keys.wrapping import secret_in
from bothways.tls.resumption.ticket_keys import TicketKeys


@dataclass(frozen=True, slots=True)
class Tickets:
    """The options for session tickets."""

    ticket_keys: str | None
    ticket_secret: str | None
    no_tickets: bool

    def load(self) -> TicketKeys | None:
        """Return the ticket keys, None for no tickets. Raises ConfigError; wrong use exits with status 2."""
        if self.no_tickets and self.ticket_keys is not None:
            refuse("--no-tickets and --ticket-keys exclude each other")
        is_url = self.ticket_keys is not None and "://" in self.ticket_keys
        if self.ticket_secret is not None and not is_url:
            refuse("--ticket-secret has an effect only with --ticket-keys redis://...")
        if self.no_tickets:
            return None
        if self.ticket_keys is None:
            return TicketKeys()
        if (store := self.shared_store()) is None:
            return SharedTicketKeys.in_file(self.ticket_keys)
        return SharedTicketKeys.in_redis(store[0], secret=store[1])

    def shared_store(self) -> tuple[str, bytes] | None:
        """Return the URL and the secret of the Redis that keeps the keys; None where none does. Raises ConfigError."""
        if self.ticket_keys is None or "://" not in self.ticket_keys:
            return None
        if self.ticket_secret is None:
            refuse(
                "--ticket-keys redis://... requires --ticket-secret FILE: the keys are encrypted there",
                "openssl rand -hex 32 > FILE; chmod 600 FILE; and the same file on every server",
            )
        return self.ticket_keys, _secret(self.ticket_secret)


def _secret(path: str) -> bytes:
    try:
        data = read_private(path)
    except (OSError, ConfigError) as error:
        problem = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else error
        raise ConfigError(f"{os.fspath(path)}: {problem}") from None
    return secret_in(data, path)


def follow_tickets(keys: TicketKeys | None) -> None:
    """Start to read keys from a shared store before the first client connects; it does not wait."""
    if isinstance(keys, SharedTicketKeys):
        keys.start()


tickets_options = gathered(
    "tickets",
    Tickets,
    click.option(
        "--ticket-keys",
        type=Text(),
        metavar="FILE|URL",
        help="Share the ticket keys with other servers and workers: in a file, which is created if it "
        "does not exist, or in Valkey or Redis (redis://HOST, rediss://HOST).",
    ),
    click.option(
        "--ticket-secret",
        type=FILE,
        metavar="FILE",
        help="The secret that encrypts ticket keys in Redis: 32 random bytes or more.",
    ),
    click.option("--no-tickets", is_flag=True, help="Issue no session tickets and resume no sessions."),
)
