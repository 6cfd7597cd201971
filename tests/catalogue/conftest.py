"""Where failures are staged: a folder with everybody's files and scripts, and servers that are begun once a module."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from catalogue import people, prepared
from catalogue.configurations import LUA
from catalogue.database import database
from catalogue.stage import Stage
from interop import golang


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("catalogue")
    people.write(folder)
    prepared.scripts(folder)
    (folder / "banners.lua").write_text(LUA)
    made = Stage(folder, cache(lambda: golang.built(pytestconfig, tmp_path_factory)))
    yield made
    made.close()


@pytest.fixture(scope="module")
def database_port() -> Iterator[int]:
    with database() as port:
        yield port
