"""`bothways demo`: handshakes between two sides of one process, shown step by step."""

from bothways.cli.demo.command import command

__all__ = ["command"]
