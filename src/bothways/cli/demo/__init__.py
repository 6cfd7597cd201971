"""`bothways demo`: handshakes between a client and a server in one process, shown step by step."""

from bothways.cli.demo.command import command

__all__ = ["command"]
