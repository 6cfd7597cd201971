"""Workers that die, hang, refuse to start or to end: as real processes of a small program, told line by line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from architecture.sources import SOURCE
from bothways import ConfigError
from bothways.workers.supervisor import FAILED, MOST_WORKERS, Supervisor

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PROGRAM = """
import os, signal, sys, threading, time
from pathlib import Path
from bothways.workers.supervisor import Supervisor

def tell(text):
    os.write(1, (text + "\\n").encode())

def work(ready):
    over = []
    signal.signal(signal.SIGTERM, lambda *of: over.append(True))
    {work}
    tell(f"serving {{os.getpid()}}")
    ready()
    while not over:
        time.sleep(0.02)
        {turn}
    tell(f"leaving {{os.getpid()}}")

may = lambda: True
{prelude}
supervisor = Supervisor(work, {count}, tell=tell, on_ready=lambda: tell("all ready"), may_replace=may, **{settings})
status = supervisor.run()
tell(f"ended {{status}}")
sys.exit(status)
"""


FORK_FAILS = """
import bothways.workers.supervisor as module
module.LONGEST_DELAY_FAILED = 0.2
real = os.fork
def fork():
    if Path('full').exists():
        raise BlockingIOError(11, os.strerror(11))
    return real()
os.fork = fork
"""


class Running:
    """The program, and the lines that it has printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def until(self, start: str, count: int = 1) -> list[str]:
        """Read on until so many lines begin in a way; return what follows in them."""
        found: list[str] = []
        while len(found) < count:
            line = self.process.stdout.readline()
            assert line, self.lines
            self.lines.append(line.strip())
            if line.startswith(start):
                found.append(line.strip().removeprefix(start).strip())
        return found

    def send(self, number: int) -> None:
        self.process.send_signal(number)


@contextlib.contextmanager
def running(
    folder: Path, count: int = 2, work: str = "pass", turn: str = "pass", prelude: str = "", **settings: float
) -> Iterator[Running]:
    file = folder / "program.py"
    file.write_text(PROGRAM.format(count=count, work=work, turn=turn, prelude=prelude, settings=settings))
    process = subprocess.Popen(
        [sys.executable, "-W", "error", file], cwd=folder, env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    watchdog = threading.Timer(
        60, process.kill
    )  # so that a line that never comes fails a test and holds none up
    watchdog.start()
    try:
        yield Running(process)
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def is_there(pid: str) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        os.kill(int(pid), 0)
        return not Path("/proc").is_dir() or "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def gone(*pids: str) -> bool:
    end = time.monotonic() + 10
    while any(map(is_there, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(is_there, pids))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_workers_serve_until_a_signal_and_end_in_their_own_way(tmp_path, number):
    with running(tmp_path, count=3) as program:
        program.until("all ready")
        pids = [line.split()[1] for line in program.lines if line.startswith("serving")]
        assert len(set(pids)) == 3
        program.send(number)
        assert set(program.until("leaving", 3)) == set(pids)
        assert program.until("ended") == ["0"]
        assert program.process.wait(60) == 0
        assert gone(*pids)


def test_a_worker_that_dies_is_replaced_and_the_others_go_on(tmp_path):
    with running(tmp_path) as program:
        program.until("all ready")
        first, second = (line.split()[1] for line in program.lines if line.startswith("serving"))
        os.kill(int(first), signal.SIGKILL)
        (reported,) = program.until("worker ")
        assert reported.endswith(f"(process {first}) ended with signal 9")
        (new,) = program.until("serving")
        assert new not in (first, second)
        assert is_there(second)


def test_a_worker_that_keeps_dying_is_started_after_longer_and_longer_pauses(tmp_path):
    """A service that fails at every start must not fill the machine."""
    turn = "Path('died').exists() and os._exit(3)"
    with running(tmp_path, count=1, turn=turn) as program:
        program.until("all ready")
        began = time.monotonic()
        (tmp_path / "died").touch()
        assert all("status 3" in each for each in program.until("worker ", 5))
        assert time.monotonic() - began > 0.1 + 0.2 + 0.4


def test_a_worker_that_was_ready_starts_again_within_the_shorter_limit_however_often_it_dies(tmp_path):
    """Its listening socket takes clients meanwhile. Doubled without that limit, twelve pauses are over six minutes."""
    limits = "import bothways.workers.supervisor as module; module.LONGEST_DELAY_SERVED = 0.1"
    with running(tmp_path, count=1, turn="Path('dies').exists() and os._exit(3)", prelude=limits) as program:
        program.until("all ready")
        (tmp_path / "dies").touch()
        assert all("status 3" in each for each in program.until("worker ", 13))


def test_a_worker_that_does_not_get_ready_again_is_started_after_longer_pauses(tmp_path):
    limits = "import bothways.workers.supervisor as module; module.LONGEST_DELAY_SERVED = 0.1"
    with running(tmp_path, count=1, work="Path('fails').exists() and os._exit(3)", prelude=limits) as program:
        program.until("all ready")
        (served,) = (line.split()[1] for line in program.lines if line.startswith("serving"))
        (tmp_path / "fails").touch()
        os.kill(int(served), signal.SIGKILL)
        began = time.monotonic()
        assert all("status 3" in each for each in program.until("worker ", 6)[1:])
        assert time.monotonic() - began > 0.1 + 0.2 + 0.4 + 0.8


def test_where_workers_cannot_start_at_all_the_service_ends(tmp_path):
    """As with a wrong application: status 1, and nobody tries again for ever."""
    with running(tmp_path, work="sys.exit(4)") as program:
        program.until("worker ")
        assert program.until("ended") == ["1"]
        assert program.process.wait(60) == FAILED


def test_an_exception_of_a_worker_is_reported(tmp_path):
    with running(tmp_path, count=1, work="raise RuntimeError('no such application')") as program:
        program.until("RuntimeError: no such application")
        assert program.until("ended") == ["1"]


def test_hang_up_replaces_workers_one_after_the_other(tmp_path):
    """Whoever takes over serves before the one before it is told to leave."""
    with running(tmp_path) as program:
        program.until("all ready")
        old = {line.split()[1] for line in program.lines if line.startswith("serving")}
        program.lines.clear()
        program.send(signal.SIGHUP)
        program.until("leaving", 2)
        kinds = [line.split()[0] for line in program.lines if line.startswith(("serving", "leaving"))]
        for place in range(1, len(kinds) + 1):
            assert kinds[:place].count("serving") >= kinds[:place].count("leaving")
        new = {line.split()[1] for line in program.lines if line.startswith("serving")}
        assert not new & old
        assert gone(*old)
        program.send(signal.SIGTERM)
        assert set(program.until("leaving", 2)) == new


def test_a_replacement_that_fails_leaves_those_that_serve(tmp_path):
    """As with a configuration that is wrong when it is read again."""
    with running(tmp_path, work="Path('wrong').exists() and sys.exit(5)") as program:
        program.until("all ready")
        old = [line.split()[1] for line in program.lines if line.startswith("serving")]
        (tmp_path / "wrong").touch()
        program.send(signal.SIGHUP)
        program.until("the replacement failed; the earlier workers continue to serve")
        assert all(map(is_there, old))
        (tmp_path / "wrong").unlink()
        program.send(signal.SIGHUP)
        program.until("leaving", 2)
        assert gone(*old)


def test_a_worker_that_dies_while_another_takes_over_is_not_replaced_twice(tmp_path):
    with running(tmp_path, work="Path('slow').exists() and time.sleep(0.7)") as program:
        program.until("all ready")
        old = [line.split()[1] for line in program.lines if line.startswith("serving")]
        (tmp_path / "slow").touch()
        program.send(signal.SIGHUP)
        program.until("workers are replaced")
        os.kill(int(old[0]), signal.SIGKILL)
        program.until("leaving")
        program.send(signal.SIGTERM)
        program.until("ended")
        serving = [line for line in program.lines if line.startswith("serving")]
        assert len(serving) == 4


def test_a_machine_that_starts_no_process_is_asked_again_later(tmp_path):
    head = "Path('full').exists() and None"
    with running(tmp_path, count=1, work=head, prelude=FORK_FAILS) as program:
        program.until("all ready")
        (old,) = (line.split()[1] for line in program.lines if line.startswith("serving"))
        (tmp_path / "full").touch()
        os.kill(int(old), signal.SIGKILL)
        assert "Resource temporarily unavailable" in program.until("worker 1 cannot be started:")[0]
        (tmp_path / "full").unlink()
        program.until("serving")


SIGNALLED_AT_ONCE = """
real = os.fork
def fork():
    pid = real()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
    return pid
os.fork = fork
"""


def test_a_signal_to_a_worker_that_was_just_forked_is_not_lost(tmp_path):
    """The handlers of the supervisor, which it has until then, would take it: it would be served until it is killed."""
    with running(tmp_path, count=1, prelude=SIGNALLED_AT_ONCE) as program:
        assert program.until("worker 1")[0].endswith("ended with signal 15")
        assert program.until("ended") == ["1"]


def test_a_check_before_workers_are_replaced_may_prevent_that(tmp_path):
    """As who reads files again and finds them wrong."""
    with running(tmp_path, prelude="may = lambda: Path('right').exists() or tell('not replaced')") as program:
        program.until("all ready")
        program.send(signal.SIGHUP)
        program.until("not replaced")
        (tmp_path / "right").touch()
        program.send(signal.SIGHUP)
        program.until("leaving", 2)


READ_SLOWLY = """
def may():
    Path('reads').open('a').write('x')
    tell('reading')
    while not Path('go').exists():
        time.sleep(0.01)
    return False
"""


def test_a_burst_of_hang_ups_reads_once_more_after_the_one_that_runs(tmp_path):
    """The last one is not lost, and each other is as good as that."""
    with running(tmp_path, prelude=READ_SLOWLY) as program:
        program.until("all ready")
        program.send(signal.SIGHUP)
        program.until("reading")
        for _ in range(20):
            program.send(signal.SIGHUP)
            time.sleep(0.005)  # those of one moment are one signal for the system
        (tmp_path / "go").touch()
        program.until("reading")
        program.send(signal.SIGTERM)
        program.until("ended")
        assert (tmp_path / "reads").read_text() == "xx"


def test_a_worker_that_was_starting_at_a_hang_up_is_replaced_too(tmp_path):
    """It may have read what was there before."""
    work = "tell(f'begun {os.getpid()}'); Path('slow').exists() and time.sleep(0.5)"
    with running(tmp_path, count=1, work=work) as program:
        program.until("all ready")
        (tmp_path / "slow").touch()
        program.lines.clear()
        program.send(signal.SIGHUP)
        first = program.until("begun")[0]
        program.send(signal.SIGHUP)
        program.until("workers are replaced")
        assert len(set(program.until("leaving", 2))) == 2
        assert first in {line.split()[1] for line in program.lines if line.startswith("leaving")}


def test_a_worker_that_is_not_ready_in_time_is_killed(tmp_path):
    with running(tmp_path, count=1, work="time.sleep(60)", start_seconds=0.3) as program:
        assert "signal 9" in program.until("worker ")[0]
        assert program.until("ended") == ["1"]


def test_a_worker_that_does_not_leave_is_killed_after_its_grace(tmp_path):
    work = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    with running(tmp_path, work=work, grace_seconds=0.3) as program:
        program.until("all ready")
        pids = [line.split()[1] for line in program.lines if line.startswith("serving")]
        program.send(signal.SIGTERM)
        assert program.until("ended") == ["0"]
        assert gone(*pids)


def test_a_second_signal_ends_without_waiting(tmp_path):
    work = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    with running(tmp_path, work=work, grace_seconds=60) as program:
        program.until("all ready")
        program.send(signal.SIGTERM)
        time.sleep(0.2)
        program.send(signal.SIGTERM)
        assert program.until("ended") == ["0"]


def test_supervisor_does_not_end_before_it_may_and_passes_each_signal_on(tmp_path):
    """Such as while others still end who are no workers of its own."""
    prelude = """
from functools import partial
Supervisor = partial(
    Supervisor, may_end=lambda: Path('over').exists(), on_stop=lambda: tell('told')
)
"""
    with running(tmp_path, count=1, prelude=prelude) as program:
        program.until("all ready")
        program.send(signal.SIGTERM)
        program.until("told")
        program.until("leaving")
        program.send(signal.SIGTERM)
        program.until("told")
        (tmp_path / "over").touch()
        assert program.until("ended") == ["0"]


def test_workers_end_with_a_supervisor_that_was_killed(tmp_path):
    """However it went: a port must not stay taken by processes that nobody looks after."""
    with running(tmp_path) as program:
        program.until("all ready")
        pids = [line.split()[1] for line in program.lines if line.startswith("serving")]
        program.process.kill()
        assert gone(*pids)


TICKS = """
real, turns = Supervisor, []

def Supervisor(*of, **more):
    def tick():
        if Path('go').exists() and not turns:
            turns.append(1)
            made.retire()
    made = real(*of, tick=tick, tick_seconds=0.05, on_upgrade=lambda: tell('upgrade'), **more)
    return made
"""


def test_workers_that_retire_end_by_themselves_and_none_is_started_anew(tmp_path):
    """One that dies meanwhile neither; what SIGUSR2 does is up to the program."""
    heard = "signal.signal(signal.SIGQUIT, lambda *of: tell('accepts nobody'))"
    with running(tmp_path, work=heard, prelude=TICKS) as program:
        program.until("all ready")
        first, second = (line.split()[1] for line in program.lines if line.startswith("serving"))
        program.send(signal.SIGUSR2)
        program.until("upgrade")
        (tmp_path / "go").write_text("")
        program.until("accepts nobody", 2)
        os.kill(int(first), signal.SIGKILL)
        os.kill(int(second), signal.SIGTERM)
        assert program.until("ended") == ["0"]
        assert sum(line.startswith("serving") for line in program.lines) == 2


@pytest.mark.parametrize("count", [0, -1, MOST_WORKERS + 1])
def test_a_number_of_workers_that_cannot_be_is_refused(count):
    with pytest.raises(ConfigError, match="workers: expected 1 to"):
        Supervisor(lambda ready: 0, count, tell=print)


def test_a_system_without_fork_says_so(monkeypatch):
    monkeypatch.delattr(os, "fork")
    with pytest.raises(ConfigError, match="no fork"):
        Supervisor(lambda ready: 0, 2, tell=print)
