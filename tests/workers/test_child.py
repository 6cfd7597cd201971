"""What a worker gets from the process that made it, and what it does not."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from architecture.sources import SOURCE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def run(program: str) -> list[str]:
    """Run a program that forks, apart from this process and its threads."""
    head = "import os, signal, sys, time\nfrom bothways.workers.child import fork\nlifeline = os.pipe()\n"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", head + textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


WAIT = """
while not worker.poll():
    worker.read_pipe()
    time.sleep(0.01)
print(worker.status, worker.ready)
"""


@pytest.mark.parametrize(
    ("work", "status"),
    [("0", 0), ("None", 0), ("7", 7), ("sys.exit()", 0), ("sys.exit('no')", 1), ("1 / 0", 1),
     ("os.kill(os.getpid(), 9)", -9)],
)  # fmt: skip
def test_the_end_of_the_work_is_the_exit_status(work, status):
    program = f"worker = fork(1, lambda ready: {work}, 0.0, lifeline, [])" + WAIT
    assert run(program) == [f"{status} False"]


def test_worker_is_ready_when_it_reports_so():
    assert run("worker = fork(1, lambda ready: ready(), 0.0, lifeline, [])" + WAIT) == ["0 True"]


def test_worker_leaves_what_it_was_forked_with_to_no_pass_of_the_garbage_collector():
    """Each pass would write to all of it, so that it is in memory once more for each worker."""
    program = """
    import gc
    held = [[] for _ in range(10_000)]
    def work(ready):
        return 0 if gc.get_freeze_count() > len(held) and len(gc.get_objects()) < len(held) else 1
    worker = fork(1, work, 0.0, lifeline, [])
    """
    assert run(program + textwrap.indent(WAIT, " " * 4)) == ["0 False"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("stream", ["open('/dev/full', 'w')", "None"])
def test_worker_starts_where_the_log_of_its_supervisor_takes_nothing(stream):
    """A full disk, or a closed standard error: the supervisor goes on, and the statuses of workers are their own."""
    program = f"""
    sys.stderr = {stream}
    if sys.stderr:
        sys.stderr.write("a line that stays in the buffer\\n")
    worker = fork(1, lambda ready: (ready(), 7)[1], 0.0, lifeline, [])
    """
    end = "print(worker.status, worker.ready, flush=True)\nos._exit(0)"
    assert run(textwrap.dedent(program) + WAIT.rpartition("print")[0] + end) == ["7 True"]


def test_signals_mean_what_they_mean_to_any_process():
    program = """
    signal.signal(signal.SIGTERM, lambda *of: None)
    signal.set_wakeup_fd(os.open("/dev/null", os.O_WRONLY | os.O_NONBLOCK))
    worker = fork(1, lambda ready: (ready(), time.sleep(20)), 0.0, lifeline, [])
    while not worker.ready:
        worker.read_pipe()
        time.sleep(0.01)
    worker.signal(signal.SIGTERM)
    """
    assert run(textwrap.dedent(program) + WAIT) == ["-15 True"]


def test_descriptors_of_the_supervisor_are_closed():
    program = """
    others = os.pipe()
    def work(ready):
        for each in (*others, lifeline[1]):
            try:
                os.fstat(each)
                return 9
            except OSError:
                pass
    worker = fork(1, work, 0.0, lifeline, list(others))
    """
    assert run(textwrap.dedent(program) + WAIT) == ["0 False"]


def test_worker_ends_when_its_supervisor_has_gone():
    program = """
    worker = fork(1, lambda ready: (ready(), time.sleep(20)), 0.0, lifeline, [])
    os.close(lifeline[1])
    """
    assert run(textwrap.dedent(program) + WAIT) in (["-15 True"], ["-15 False"])
