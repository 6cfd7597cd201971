"""Files are read in one place, and a file that cannot be is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bothways.errors import ConfigError
from bothways.trust import files


def test_a_file_is_read_completely(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    assert files.content(tmp_path / "a") == files.content(str(tmp_path / "a")) == b"content"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """ConfigError."""
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        files.content(tmp_path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a\0b", "a\0b: cannot be read: embedded null byte"),
        (5, "not int"),
        (None, "not NoneType"),
        (b"/", "Is a"),
    ],
)
def test_another_type_than_a_path_is_a_config_error(path, words):
    """And no number is taken for a file descriptor."""
    with pytest.raises(ConfigError, match=words):
        files.content(path)


def test_a_pipe_is_named_once_where_only_a_file_will_do(tmp_path):
    """Not waited for, either."""
    os.mkfifo(tmp_path / "a")
    with pytest.raises(ConfigError) as raised:
        files.content(tmp_path / "a", waits=False)
    problem = "it is not a regular file, but a pipe or a device"
    assert str(raised.value) == f"{tmp_path / 'a'}: cannot be read: {problem}"


def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    """docs/defaults.md."""
    monkeypatch.setattr(files, "MAX_FILE", 3)
    (tmp_path / "a").write_bytes(b"content")
    with pytest.raises(ConfigError, match="larger than 3 bytes"):
        files.content(tmp_path / "a")
    assert files.content(tmp_path / "a", most=7) == b"content"
    with pytest.raises(ConfigError, match="larger than 6 bytes, the limit for it"):
        files.content(tmp_path / "a", most=6)


def test_a_look_at_a_file_is_one_call_of_the_system(tmp_path):
    """A gateway looks at each of its files ten times a second, and may have thousands."""
    (tmp_path / "a").touch()
    path, called = str(tmp_path / "a"), []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: event == "call" and called.append(frame.f_code.co_name))
    try:
        files.stamp(path)
    finally:
        sys.setprofile(before)
    assert called == ["stamp", "__init__"]


def test_a_stamp_changes_with_the_file_and_its_content(tmp_path):
    """Also where the size is the same, and where the file is missing."""
    path = tmp_path / "a"
    assert files.stamp(path) is None
    path.write_bytes(b"content")
    first = files.stamp(path)
    assert first == files.stamp(str(path))
    (tmp_path / "b").write_bytes(b"content")
    (tmp_path / "b").replace(path)
    assert files.stamp(path) != first


def test_the_systems_bundle_is_the_first_that_exists(tmp_path, monkeypatch):
    """Debian, Fedora, SUSE and the BSDs keep it in different places."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    bundle = tmp_path / "bundle"
    bundle.write_bytes(b"")
    monkeypatch.setattr(files, "SYSTEM_BUNDLES", (str(tmp_path / "gone"), str(bundle)))
    assert files.system_bundle() == bundle
    monkeypatch.setattr(files, "SYSTEM_BUNDLES", ())
    with pytest.raises(ConfigError, match="no file of trust anchors was found on this system; name one"):
        files.system_bundle()
    monkeypatch.setenv("SSL_CERT_FILE", "/named")
    assert files.system_bundle() == Path("/named")
