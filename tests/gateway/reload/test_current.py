"""The configuration in use: what counts as a change, and what is told of it."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import pytest

from bothways import ConfigError
from bothways.gateway.log.log import Log
from bothways.gateway.reload import current as module
from bothways.gateway.reload.current import Change, Current
from gateway_talk import ANYBODY, Setting

ROUTE = f'backend = "127.0.0.1:1"\n{ANYBODY}'


@pytest.fixture
def current(setting: Setting) -> Current:
    setting.write(ROUTE)
    return Current(str(setting.path), Log(setting.lines.append, "json"), None)


def looked(current: Current, seconds: float = 20.0) -> Change:
    """The next change on disk."""
    end = time.monotonic() + seconds
    while (change := current.look()) is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    return change


def replaced(path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.replace(new, path)


def until_reported(current: Current, setting: Setting, words: str) -> None:
    end = time.monotonic() + 20
    while not any(words in each for each in setting.events()):
        assert current.look() is None
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_file_that_has_changed_makes_other_routes_and_leaves_those_in_use(
    current: Current, setting: Setting
) -> None:
    """Until they are taken; what has not changed is the same in both."""
    before = current.routes
    assert current.look() is None
    setting.mutual.revoke(setting.mutual.identity("client"))
    change = looked(current)
    assert current.routes is before
    assert change.changed == {str(setting.mutual.crl)}
    assert change.routes.all[0].server.client_anchors is before.all[0].server.client_anchors
    assert not change.routes.all[0].judges_like(before.all[0])
    current.take(change)
    assert current.routes is change.routes
    assert any("read again: a CRL of" in each for each in setting.events())


def test_a_file_that_is_written_anew_with_the_same_content_is_no_change(
    current: Current, setting: Setting
) -> None:
    replaced(setting.mutual.ca, setting.mutual.ca.read_bytes())
    end = time.monotonic() + 1
    while time.monotonic() < end:
        assert current.look() is None
        time.sleep(0.02)


def test_another_secret_of_shared_limits_is_a_change(setting: Setting) -> None:
    """Otherwise gateways whose files are replaced one after the other would not count together again."""
    secret = setting.folder / "secret"
    secret.write_bytes(b"5" * 64)
    secret.chmod(0o600)
    setting.write(ROUTE, limits={"shared": "redis://127.0.0.1:1", "shared_secret": "secret"})
    current = Current(str(setting.path), Log(setting.lines.append, "json"), None)
    before = current.routes.secret
    replaced(secret, b"6" * 64)
    change = looked(current)
    assert change.changed == {str(secret)} and change.routes.secret != before
    current.take(change)
    assert current.look() is None
    secret.unlink()
    until_reported(current, setting, "secret: ")
    assert current.routes.secret == change.routes.secret
    setting.mutual.revoke(setting.mutual.identity("client"))  # which counts nevertheless
    change = looked(current)
    assert str(setting.mutual.crl) in change.changed and change.routes.secret == current.routes.secret


def test_a_file_that_is_written_all_the_time_is_read_nevertheless(current: Current, setting: Setting) -> None:
    """Otherwise a revocation in it would never count."""
    setting.mutual.revoke(setting.mutual.identity("client"))
    content, end, change = setting.mutual.crl.read_bytes(), time.monotonic() + 20, None
    while change is None:
        assert time.monotonic() < end
        replaced(setting.mutual.crl, content)
        change = current.look()
        time.sleep(0.05)
    assert change.changed == {str(setting.mutual.crl)}


def test_a_file_that_is_written_slowly_is_not_read_at_each_look_and_told_once(
    current: Current, setting: Setting
) -> None:
    """Each look finds another part of it, which cannot be used."""
    refused: list[str] = []
    current.when_refused = lambda path, _error: refused.append(path)
    beginning, end, looks = setting.mutual.crl.read_bytes()[:100], time.monotonic() + 1.6, 0
    while time.monotonic() < end:
        looks += 1
        replaced(setting.mutual.crl, beginning + b"A" * looks)
        assert current.look() is None
        time.sleep(0.05)
    assert refused == [str(setting.mutual.crl)]
    assert len(setting.events()) == 1 and "it is truncated" in setting.events()[0]


def test_a_file_that_was_read_with_a_refused_configuration_counts_for_the_earlier_one(
    current: Current, setting: Setting
) -> None:
    """Such as a CRL that came with a configuration whose listener cannot be opened."""
    setting.mutual.revoke(setting.mutual.identity("client"))
    assert current.read_again().changed == {str(setting.mutual.crl)}
    current.refuse(OSError("the address is in use"))
    change = looked(current, 5.0)
    assert change.changed == {str(setting.mutual.crl)}
    assert not change.routes.all[0].judges_like(current.routes.all[0])


def test_a_change_that_was_not_taken_is_made_again(current: Current, setting: Setting, monkeypatch) -> None:
    """A defect while it was taken loses no revocation."""
    monkeypatch.setattr(module, "TRY_AGAIN_SECONDS", 0.1)
    setting.mutual.revoke(setting.mutual.identity("client"))
    for _ in range(2):
        change = looked(current)
        assert change.changed == {str(setting.mutual.crl)}
    current.take(change)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        assert current.look() is None
        time.sleep(0.02)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(current: Current, setting: Setting) -> None:
    refused: list[tuple[str, str]] = []
    current.when_refused = lambda path, error: refused.append((path, str(error)))
    os.unlink(setting.mutual.crl)
    os.mkfifo(setting.mutual.crl)
    until_reported(current, setting, "it is not a regular file, but a pipe or a device; the earlier")
    assert [path for path, _ in refused] == [str(setting.mutual.crl)]


def test_a_broken_file_is_reported_once_and_counts_when_it_is_whole_again(
    current: Current, setting: Setting
) -> None:
    whole = setting.mutual.ca.read_bytes()
    replaced(setting.mutual.ca, b"broken")
    until_reported(current, setting, "the earlier content stays in use")
    os.unlink(setting.mutual.crl)
    until_reported(current, setting, "cannot be read: No such file or directory; the earlier")
    assert len(setting.events()) == 2
    with pytest.raises(ConfigError):
        current.read_again()
    replaced(setting.mutual.ca, whole + whole)
    assert looked(current).changed == {str(setting.mutual.ca)}


def test_a_certificate_and_a_key_that_are_replaced_one_after_the_other_are_taken_together(
    current: Current, setting: Setting
) -> None:
    mine, other = setting.mutual.identity("server"), setting.mutual.identity("server", dns=["localhost"])
    replaced(mine.cert, other.cert.read_bytes())
    until_reported(current, setting, "does not belong to the certificate")
    replaced(mine.key, other.key.read_bytes())
    change = looked(current)
    own = change.routes.all[0].server.settings.identity.own[0]
    assert own.certificate == other.credentials.certificate
    assert set(change.contents) >= {str(mine.cert), str(mine.key)}
    assert change.routes.all[0].judges_like(current.routes.all[0])


def test_whatever_was_read_again_on_demand_has_all_contents(current: Current, setting: Setting) -> None:
    setting.write(ROUTE, times={"drain": 1})
    change = current.read_again()
    assert change.changed == set()
    assert change.routes.held.anchors == current.routes.held.anchors
    assert {os.path.basename(path) for path in change.contents} >= {"ca.pem", "crl.pem"}
    setting.path.write_text("broken")
    with pytest.raises(ConfigError):
        current.read_again()
    current.refuse(ValueError("x"))
    assert setting.events() == ["not reloaded, the earlier configuration stays in use: x"]


def test_a_certificate_that_its_source_did_not_renew_is_told_once(
    current: Current, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXPIRY_SECONDS", 0.0)
    mutual = setting.mutual
    good, soon = mutual.identity("server"), mutual.identity("server", lifetime=timedelta(minutes=5))
    assert current.look() is None
    assert setting.events() == []
    replaced(good.cert, soon.cert.read_bytes())
    replaced(good.key, soon.key.read_bytes())
    current.take(looked(current))
    for _ in range(3):
        assert current.look() is None
    told = [each for each in setting.events() if "was not renewed yet" in each]
    assert len(told) == 1 and told[0].startswith(f"warning: {good.cert}: our certificate (")
