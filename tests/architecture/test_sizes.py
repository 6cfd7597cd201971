"""Functions and files stay as small as they are: `make figures` prints the figures."""

from __future__ import annotations

from statistics import median

from architecture.figures import files, functions, ninth_decile
from architecture.sources import ROOT, SOURCE

SOURCE_LINES, TEST_LINES = 450, 800
# Longer files, and why: a table is read row by row, and rows that are far from one another are not compared.
TABLES = {
    "src/bothways/diagnosis/causes.py": "a row for each cause of a failure",
    "src/bothways/iana.py": "the code points of the registries",
    "src/bothways/tls/wire/extension_table.py": "a row for each TLS extension",
}


def test_half_of_the_functions_have_six_lines_or_fewer_and_nine_of_ten_have_sixteen() -> None:
    lengths = [each.lines for each in functions()]
    assert median(lengths) <= 6
    assert ninth_decile(lengths) <= 16


def test_no_file_of_the_sources_is_long_but_tables() -> None:
    long = {name for lines, name in files(SOURCE) if lines > SOURCE_LINES}
    assert long == set(TABLES)


def test_no_file_of_the_tests_is_long() -> None:
    assert [name for lines, name in files(ROOT / "tests") if lines > TEST_LINES] == []
