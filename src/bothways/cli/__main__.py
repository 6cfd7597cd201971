"""The command `bothways`. What is not installed is said here; everything else is in `commands`."""

from __future__ import annotations

import sys
import warnings
from typing import NoReturn

MISSING = """bothways: the command line needs packages that are not installed
Hint: pip install 'bothways[cli]'
"""


def main() -> NoReturn:
    """Run the command line and exit with its status; without the extra `[cli]` say what to install."""
    try:
        import click  # noqa: F401 - only to learn whether the extra is there
        import rich  # noqa: F401
    except ImportError:
        sys.stderr.write(MISSING)
        sys.exit(2)
    # What parsers warn of in other people's certificates is told in words where it matters.
    warnings.filterwarnings("ignore", module=r"bothways\.trust\.")
    from bothways.cli.commands import bothways
    from bothways.cli.terminal import run

    sys.exit(run(bothways))


if __name__ == "__main__":
    main()
