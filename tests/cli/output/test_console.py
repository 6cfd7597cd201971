"""Where commands draw: plain and of one width in a pipe."""

from __future__ import annotations

from rich.text import Text

from bothways.cli.output.console import NARROWEST, PIPE_WIDTH, WIDEST, console, show


def test_in_a_pipe_lines_have_one_width_and_end_with_their_text(capsys):
    """No colours, no trailing blanks; a long line is folded."""
    screen = console()
    assert screen.width == PIPE_WIDTH
    show(screen, Text("word " * 40, style="bold red"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(len(line) <= PIPE_WIDTH and line == line.rstrip() and "\x1b" not in line for line in lines)


def test_at_a_terminal_lines_are_as_wide_as_reads_well(monkeypatch):
    """Neither narrower nor wider than a table can be read."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    for columns, width in ((20, NARROWEST), (100, 100), (400, WIDEST)):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert console().width == width
