"""Functions stay as small as they are: `python -m architecture.figures` prints the figures."""

from __future__ import annotations

from statistics import median

from architecture.figures import functions, ninth_decile


def test_half_of_the_functions_have_six_lines_or_fewer_and_nine_of_ten_have_sixteen() -> None:
    lengths = [each.lines for each in functions()]
    assert median(lengths) <= 6
    assert ninth_decile(lengths) <= 16
