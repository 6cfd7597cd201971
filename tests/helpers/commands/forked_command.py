"""The program `bothways` of a shell that a test starts: forked as all commands of tests are (command_line.py).

It is not the command itself, which has this one's input and output: signals go on to it, and its status is this one's.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).parent))

from command_line import bothways, start_command

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    process = start_command(bothways(*sys.argv[1:]))

    def pass_on(number: int, _: FrameType | None) -> None:
        process.send_signal(number)

    for each in PASSED_ON:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    status = process.wait()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main())
