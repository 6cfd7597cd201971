"""What serves the clients of a gateway is loaded with its routes, and not when the first of them comes."""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime

import pytest

from bothways.gateway.config.gateway import read_config
from bothways.gateway.files.held import FileReader, Held, Making
from bothways.gateway.log.log import Log
from bothways.gateway.reload.current import Current
from bothways.gateway.reload.loading import loaded_routes
from gateway_talk import ANYBODY, Setting

READS_HTTP = "bothways.gateway.http.conversation"


def without_what_reads_http(monkeypatch: pytest.MonkeyPatch, module: str = READS_HTTP) -> None:
    """Forget what reads HTTP; afterwards it is there again."""
    package, _, name = module.rpartition(".")
    monkeypatch.setattr(importlib.import_module(package), name, importlib.import_module(module))
    monkeypatch.delitem(sys.modules, module)


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads HTTP is not loaded."""
    without_what_reads_http(monkeypatch)


@pytest.mark.usefixtures("unloaded")
def test_what_reads_http_is_loaded_with_a_route_that_needs_it(setting: Setting) -> None:
    """Else all others would wait for it when the first client comes."""
    for keys, is_loaded in (("", False), ('mode = "http"', True)):
        setting.write(f'backend = "127.0.0.1:1"\n{keys}\n{ANYBODY}')
        making = Making(FileReader(), Held(), (), datetime.now(UTC), keeps=False)
        assert len(loaded_routes(read_config(setting.path), None, making).all) == 1
        assert (READS_HTTP in sys.modules) == is_loaded


@pytest.mark.parametrize(
    ("table", "module"),
    [("metrics", "bothways.gateway.http.operator"), ("status", "bothways.gateway.observe.status_page")],
)
def test_what_answers_the_operator_is_loaded_with_the_file_that_wants_it(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, table: str, module: str
) -> None:
    """Clients would wait for that, too."""
    without_what_reads_http(monkeypatch, module)
    backend = f'backend = "127.0.0.1:1"\n{ANYBODY}'
    for tables in (
        {},
        {table: {"unix": "o.sock"} | ({"allow": "any verified client"} if table == "status" else {})},
    ):
        setting.write(backend, **tables)
        making = Making(FileReader(), Held(), (), datetime.now(UTC), keeps=False)
        loaded_routes(read_config(setting.path), None, making)
        assert (module in sys.modules) == bool(tables)


@pytest.mark.usefixtures("unloaded")
def test_what_reads_http_is_loaded_when_the_file_of_a_gateway_is_read_again(setting: Setting) -> None:
    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
    current = Current(str(setting.path), Log(setting.lines.append, "json"), None)
    assert READS_HTTP not in sys.modules
    setting.write(f'backend = "127.0.0.1:1"\nmode = "http"\n{ANYBODY}')
    current.read_again()
    assert READS_HTTP in sys.modules
    current.close()
