"""The command `bothways`. It reports missing packages; everything else is in `commands`."""

from __future__ import annotations

import sys
import warnings
from typing import NoReturn

from bothways.cli.output.standard_streams import prepare_streams

MISSING = """bothways: the command line needs packages that are not installed
Hint: pip install 'bothways[cli]'
"""


def main() -> NoReturn:
    """Run the command line and exit with its status; without the extra `[cli]` print what to install."""
    prepare_streams()
    try:
        import click  # noqa: F401 - only to learn whether the extra is there
        import rich  # noqa: F401
    except ImportError:
        sys.stderr.write(MISSING)
        sys.exit(2)
    # Warnings of the parser about certificates of others; we report such defects ourselves where they matter.
    warnings.filterwarnings("ignore", module=r"bothways\.trust\.")
    from bothways.cli.commands import bothways
    from bothways.cli.output.terminal import run

    sys.exit(run(bothways))


if __name__ == "__main__":
    main()
