"""Options for session tickets: which keys they name, and what excludes what."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways import ConfigError, SharedTicketKeys, TicketKeys
from bothways.cli.options.tickets import Tickets, follow_tickets

HEXADECIMAL = "ab" * 32


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text(HEXADECIMAL + "\n")
    path.chmod(0o600)
    return str(path)


def test_by_default_tickets_have_keys_of_their_own_in_memory() -> None:
    keys = Tickets(None, None, no_tickets=False).load()
    assert type(keys) is TicketKeys
    assert Tickets(None, None, no_tickets=True).load() is None


def test_a_file_is_made_and_shared(tmp_path: Path) -> None:
    path = str(tmp_path / "keys")
    keys = Tickets(path, None, no_tickets=False).load()
    assert isinstance(keys, SharedTicketKeys) and Path(path).exists()


def test_a_url_needs_a_secret_and_connects_nowhere_at_once(secret: str) -> None:
    keys = Tickets("redis://user:password@127.0.0.1:1", secret, no_tickets=False).load()
    assert repr(keys).startswith("SharedTicketKeys('bothways:ticket-keys in redis://127.0.0.1:1'")
    follow_tickets(keys)
    assert isinstance(keys, SharedTicketKeys)
    keys.close()
    follow_tickets(None)


@pytest.mark.parametrize(
    ("keys", "with_secret", "none", "words"),
    [
        ("keys", False, True, "--no-tickets and --ticket-keys exclude each other"),
        ("keys", True, False, "--ticket-secret has an effect only with --ticket-keys redis://..."),
        (None, True, False, "--ticket-secret has an effect only with --ticket-keys redis://..."),
        ("redis://localhost", False, False, "requires --ticket-secret FILE: the keys are encrypted there"),
    ],
)
def test_options_that_do_not_go_together_end_the_command(
    keys: str | None,
    with_secret: bool,
    none: bool,
    words: str,
    secret: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        Tickets(keys, secret if with_secret else None, none).load()
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (HEXADECIMAL, 0o644, "it can be read by users other than its owner and group"),
        ("ab" * 31, 0o600, "expected 32 random bytes or more; openssl rand -hex 32 makes them"),
        (None, 0, "cannot be read: No such file or directory"),
    ],
)
def test_a_secret_that_cannot_be_used_is_a_config_error(
    content: str | None, mode: int, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        Tickets("redis://localhost", str(path), no_tickets=False).load()
    assert str(caught.value).startswith(f"{path}: ") and problem in str(caught.value)
