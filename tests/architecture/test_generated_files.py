"""Files that are written from the sources are what the sources give today."""

from __future__ import annotations

import pytest

from distribution.__main__ import FOLDER, files


@pytest.mark.parametrize("name", ["bothways.1", "bothways.cdx.json"])
def test_a_committed_file_is_what_the_sources_give(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == files()[name], "make manual"
