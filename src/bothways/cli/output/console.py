"""The rich console of the commands: limited in width at a terminal, plain and of fixed width in a pipe."""

from __future__ import annotations

import sys

from rich.console import Console, RenderableType

NARROWEST, WIDEST, PIPE_WIDTH = 72, 124, 104


def console() -> Console:
    """Return the console for standard output."""
    screen = Console(highlight=False, soft_wrap=False)
    screen.width = max(NARROWEST, min(WIDEST, screen.width)) if screen.is_terminal else PIPE_WIDTH
    return screen


def show(screen: Console, part: RenderableType) -> None:
    """Print one part; in a pipe without trailing spaces."""
    if screen.is_terminal:
        screen.print(part)
        return
    with screen.capture() as captured:
        screen.print(part)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
