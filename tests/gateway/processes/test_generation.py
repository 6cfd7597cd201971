"""What a supervisor hands to its workers."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import socket
from pathlib import Path

import pytest

from bothways.gateway.config.gateway import MOST_LISTENERS
from bothways.gateway.processes.generation import (
    TELL_SECONDS,
    SealedGeneration,
    WorkerReport,
    channel_pair,
    progressed,
    received,
)
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from pki import crl, issue, root

ROOT = root()

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no sealed memory"),
]


def test_a_generation_arrives_whole_at_every_worker_with_sockets_that_listen() -> None:
    """However long; two in a row are two."""
    contents = {"ca.pem": b"x" * 1_000_000, "empty": b""}
    first = SealedGeneration(2, "text", contents, frozenset({"ca.pem"}))
    second = SealedGeneration(3, "other", {}, frozenset())
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        for _ in range(2):
            here, there = channel_pair()
            with here, there:
                assert received(there) is None
                first.send(here, {}, 1.5)
                second.send(here, {"127.0.0.1:1": listener}, 2.5)
                one, two = received(there), received(there)
                assert one is not None and two is not None
                assert (one.number, one.text, one.contents, one.changed) == (2, "text", contents, {"ca.pem"})
                assert (two.number, two.text, two.contents, one.sockets) == (3, "other", {}, {})
                [mine] = two.sockets.values()
                with mine:
                    assert mine.fileno() != listener.fileno()
                    assert mine.getsockname() == listener.getsockname()
                assert (one.until, two.until) == (1.5, 2.5)
                assert progressed(here) is None
                WorkerReport(there, 2).acknowledge()
                WorkerReport(there, 3).acknowledge()
                assert (progressed(here), progressed(here)) == (3, None)
    first.close()
    second.close()


def test_crls_are_used_where_they_are_and_are_those_that_were_handed_out() -> None:
    """Each process maps the same memory; nothing of a CRL is copied or read again."""
    listed = [issue(f"c{each}", ROOT, serial=each + 1) for each in range(3)]
    several = [CRL(crl(ROOT, each, number=number)) for number, each in enumerate(listed)]
    sealed = SealedGeneration(2, None, {"a": b"abc"}, frozenset({"x.crl"}), {"x.crl": several, "none": []})
    here, there = channel_pair()
    with here, there:
        sealed.send(here, {}, 0.0)
        generation = received(there)
    sealed.close()
    assert generation is not None and generation.text is None
    assert (generation.contents, generation.lists["none"]) == ({"a": b"abc"}, ())
    for found, original in zip(generation.lists["x.crl"], several, strict=True):
        assert (found.der, found.number) == (original.der, original.number)
        for each in map(ParsedCertificate, [each.der for each in listed]):
            place = each.serial, each.normal_issuer
            assert found.find(*place) == original.find(*place)


def test_all_sockets_that_a_file_can_name_arrive_at_once(tmp_path: Path) -> None:
    """Else they were cut off, and every worker was killed for a file that is in order."""
    here, there = channel_pair()
    names = [f"unix:/{number:0107}" for number in range(2 * MOST_LISTENERS + 2)]
    sealed = SealedGeneration(2, "", {}, frozenset())
    with here, there, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        sealed.send(here, dict.fromkeys(names, listener), 0.0)
        generation = received(there)
        assert generation is not None
        assert list(generation.sockets) == names
        for each in generation.sockets.values():
            assert each.getsockname() == listener.getsockname()
            each.close()
    sealed.close()


def test_memory_that_could_still_change_is_not_taken() -> None:
    here, there = channel_pair()
    memory = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    with here, there:
        os.write(memory, b"{}")
        socket.send_fds(here, [bytes(15) + b"\2" + bytes(8) + b"[]"], [memory])
        with pytest.raises(OSError, match="is not sealed"):
            received(there)
    os.close(memory)


@pytest.mark.parametrize("knows", [True, False])
def test_memory_cannot_be_executed_where_the_system_knows_of_that(
    monkeypatch: pytest.MonkeyPatch, knows: bool
) -> None:
    """The sysctl vm.memfd_noexec may demand it; Linux before 6.3 refuses the flag."""
    made, noexec_seal, seal_exec = os.memfd_create, 8, 0x20

    def as_there(name: str, flags: int) -> int:
        if flags & noexec_seal and not knows:
            raise OSError(errno.EINVAL, "Invalid argument")
        return made(name, flags)

    try:
        os.close(made("test", noexec_seal))
    except OSError:
        pytest.skip("this kernel has no MFD_NOEXEC_SEAL")
    monkeypatch.setattr(os, "memfd_create", as_there)
    here, there = channel_pair()
    sealed = SealedGeneration(2, "text", {}, frozenset())
    with here, there:
        for _ in range(2):
            sealed.send(here, {}, 0.0)
        generation = received(there)
        assert generation is not None and generation.text == "text"
        _, [memory], _, _ = socket.recv_fds(there, 100, 1)
        assert bool(fcntl.fcntl(memory, fcntl.F_GET_SEALS) & seal_exec) == knows
        os.close(memory)
    sealed.close()


def test_nobody_can_change_what_was_handed_out() -> None:
    here, there = channel_pair()
    sealed = SealedGeneration(1, "", {"key.pem": b"secret"}, frozenset())
    with here, there:
        sealed.send(here, {}, 0.0)
        _, [memory], _, _ = socket.recv_fds(there, 100, 1)
        with pytest.raises(PermissionError):
            os.pwrite(memory, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(memory, 0)
        with pytest.raises(PermissionError):
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
        os.close(memory)
    sealed.close()


def test_a_generation_for_which_there_is_no_room_leaves_no_memory_open() -> None:
    """A supervisor that tries again and again has no more descriptors than before."""
    before, (soft, hard) = os.listdir("/proc/self/fd"), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            SealedGeneration(1, "text", {"ca.pem": bytes(100_000)}, frozenset())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_worker_that_takes_nothing_does_not_hold_up_the_supervisor() -> None:
    here, there = channel_pair()
    sealed = SealedGeneration(1, "", {}, frozenset())
    with here, there, pytest.raises(BlockingIOError):
        while True:
            sealed.send(here, {}, 0.0)
    sealed.close()


def test_a_worker_tells_now_and_then_that_it_makes_progress() -> None:
    """Not so often that its channel is full when it tells that a generation is in use."""
    here, there = channel_pair()
    now = 100.0
    with here, there:
        report = WorkerReport(there, 7, lambda: now)
        for _ in range(10):
            report.progress()
        assert progressed(here) is None
        for _ in range(3):
            now += TELL_SECONDS
            for _ in range(10):
                report.progress()
        assert (progressed(here), progressed(here)) == (0, None)
        report.acknowledge()
        now += TELL_SECONDS
        report.progress()
        assert progressed(here) == 7


def test_the_end_of_the_supervisor_is_reported() -> None:
    here, there = channel_pair()
    here.close()
    with there, pytest.raises(EOFError):
        received(there)
