"""A file that is there whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from bothways import ConfigError
from bothways.cli.clients.output import Output


def test_a_file_is_replaced_when_all_came(tmp_path: Path):
    file = tmp_path / "answer"
    file.write_text("before")
    with Output(str(file)) as output:
        output.write(b"ha")
        assert file.read_text() == "before"
        output.write(b"lf")
        output.keep()
    assert file.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [file]


def test_output_that_is_not_completed_leaves_no_file(tmp_path: Path):
    file = tmp_path / "answer"
    with pytest.raises(RuntimeError), Output(str(file)) as output:
        output.write(b"half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_link_stays_and_leads_to_the_new_content(tmp_path: Path):
    (tmp_path / "real").write_text("before")
    (tmp_path / "link").symlink_to("real")
    with Output(str(tmp_path / "link")) as output:
        output.write(b"new")
        output.keep()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_the_usual_mask_decides_who_may_read_it(tmp_path: Path):
    old = os.umask(0o027)
    try:
        with Output(str(tmp_path / "answer")) as output:
            output.keep()
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "answer").stat().st_mode) == 0o640


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_device_or_pipe_is_written_to_and_not_replaced(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with Output(str(pipe)) as output:
        output.write(b"through")
        output.keep()
    reader.join(60)
    assert got == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int):
    """What was private before does not become readable for everybody."""
    file = tmp_path / "answer"
    file.touch()
    file.chmod(mode)
    with Output(str(file)) as output:
        output.write(b"new")
        (part,) = tmp_path.glob("*.part")
        assert stat.S_IMODE(part.stat().st_mode) == mode
        output.keep()
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_pipe_with_a_name_in_proc_only_is_written_to():
    """As /dev/stdout is, if standard output is a pipe."""
    receives, sends = os.pipe()
    with open(receives, "rb") as reader, open(sends, "wb") as writer:
        with Output(f"/proc/self/fd/{writer.fileno()}") as output:
            output.write(b"through")
            output.keep()
        writer.close()
        assert reader.read() == b"through"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="nowhere"), Output(str(tmp_path / "nowhere" / "answer")):
        pass
    with pytest.raises(ConfigError, match="directory"), Output(str(tmp_path)):
        pass
    if Path("/dev/full").exists():
        with pytest.raises(ConfigError, match="No space left"), Output("/dev/full") as output:
            output.write(b"x" * 100_000)
            output.keep()


@pytest.mark.parametrize("path", [None, "-"])
def test_standard_output_gets_what_comes_at_once(path, capfdbinary):
    with Output(path) as output:
        output.write(b"\x00\xff")
        assert capfdbinary.readouterr().out == b"\x00\xff"
        output.keep()


def test_a_standard_output_that_takes_no_more_is_our_own_failure(monkeypatch):
    """Not the peer's, nor the network's."""

    def write(data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=SimpleNamespace(write=write)))
    with Output(None) as output, pytest.raises(ConfigError, match="standard output: No space left"):
        output.write(b"x")
