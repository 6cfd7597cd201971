"""Every command in the image has what it needs: run here with nothing but what requirements/image.txt pins."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from architecture.sources import ROOT
from bothways.testing import MutualTLS
from distribution.image_folder import link_all, pinned

# Without the packages of this virtual environment (-S), of users (-I) and of the folder of the tests.
ONLY = """
import importlib, runpy, sys
sys.path += {paths!r}
sys.argv = ["bothways", *{arguments!r}]
{run}
"""
IMPORT_ALL = """
for name in {modules!r}:
    importlib.import_module(name)
"""
COMMAND = 'runpy.run_module("bothways.cli", run_name="__main__")'
# The Python of the image, not ours: pip leaves out what only an older one needs.
DEBIAN = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}
# What is for the libraries and test programs of its users, who install those beside it.
FOR_USERS = ("bothways.http.fastapi", "bothways.http.flask", "bothways.http.django", "bothways.testing")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    link_all(folder)
    return folder


def in_image(image: Path, cwd: Path, *arguments: str, run: str = COMMAND) -> subprocess.CompletedProcess[str]:
    code = ONLY.format(paths=[str(ROOT / "src"), str(image)], arguments=list(arguments), run=run)
    words = [sys.executable, "-I", "-S", "-W", "error", "-c", code]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def requirements_of(name: str, extras: frozenset[str]) -> list[str]:
    """What a distribution requires; nothing where it is not installed, as it is for older Pythons only."""
    if name != "bothways":
        try:
            return requires(name) or []
        except PackageNotFoundError:
            return []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return sum((project["optional-dependencies"][each] for each in sorted(extras)), project["dependencies"])


def test_requirements_have_all_that_the_extras_of_the_containerfile_need() -> None:
    text = (ROOT / "packaging" / "Containerfile").read_text()
    [extras] = re.findall(r"bothways\[([a-z,]+)\]", text)
    need, found = [("bothways", frozenset(extras.split(",")))], set()
    while need:
        name, wanted = need.pop()
        for line in requirements_of(name, wanted):
            one = Requirement(line)
            holds = one.marker is None or any(
                one.marker.evaluate(DEBIAN | {"extra": each}) for each in (wanted or {""})
            )
            entry = canonicalize_name(one.name), frozenset(one.extras)
            if holds and entry not in found:
                found.add(entry)
                need.append(entry)
    names = {name for name, _ in found} - {"bothways"}
    assert {"h2", "psycopg-binary", "redis", "opentelemetry-api", "brotli"} <= names
    assert {"cel-expr-python", "uvloop"} <= names
    assert ";" not in (ROOT / "requirements" / "image.txt").read_text()
    assert names == {canonicalize_name(each) for each in pinned()}


def test_every_module_but_those_for_other_libraries_can_be_imported(image: Path, tmp_path: Path) -> None:
    source = ROOT / "src"
    files = (each.relative_to(source) for each in sorted((source / "bothways").rglob("*.py")))
    names = [".".join(each.with_suffix("").parts).removesuffix(".__init__") for each in files]
    modules = [each for each in names if not each.startswith(FOR_USERS) and "__main__" not in each]
    assert len(modules) > 300
    done = in_image(image, tmp_path, run=IMPORT_ALL.format(modules=modules))
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_gateway_has_http_metrics_the_status_page_and_traces(image: Path, tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    with MutualTLS(tmp_path / "pki") as mutual:
        mine = mutual.identity("server")
        (tmp_path / "gateway.toml").write_text(
            f"""
[identity]
certificate = "{mine.cert}"
key = "{mine.key}"
client_ca = "{mutual.ca}"
fetch = true
[[listener]]
port = 8443
[metrics]
port = 9464
[traces]
opentelemetry = true
[status]
port = 9443
allow = "any verified client"
[[route]]
mode = "http"
backend_http = "2"
backend = "127.0.0.1:8000"
allow = "any verified client"
"""
        )
        done = in_image(image, tmp_path, "gateway", "check", "-c", "gateway.toml")
    assert done.stdout.startswith("gateway.toml: can be used: 1 listener, 2 routes"), done.stderr
    assert done.returncode == 0


def test_commands_find_the_pinned_distributions_alone(image: Path, tmp_path: Path) -> None:
    """Else the tests above could not fail."""
    done = in_image(image, tmp_path, run="import fastapi")
    assert "No module named 'fastapi'" in done.stderr
