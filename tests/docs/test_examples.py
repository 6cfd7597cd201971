"""Every piece of Python in README and docs/ is executed as it stands, in the order of its page.

The blocks of a page share one namespace and one empty directory, as a reader's terminal would.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from bothways.ca.home import key_encryption
from bothways.cli.commands import bothways
from bothways.gateway.config.gateway import parsed_config
from command_line import shell_options
from interop.peers import find
from processes import free_port

ROOT = Path(__file__).resolve().parents[2]
# docs/libraries.md needs servers at hand; tests/adapters/test_libraries.py has them, and runs each of its blocks.
ELSEWHERE = {ROOT / "docs" / "libraries.md"}
PAGES = [ROOT / "README.md", *sorted({*(ROOT / "docs").glob("**/*.md")} - ELSEWHERE)]
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_on_a_page_runs_as_it_stands(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        exec(compile("\n" * line + block.group(1), str(page), "exec"), namespace)


def test_the_commands_of_the_first_service_run_as_they_stand(tmp_path: Path) -> None:
    """All but the port, so that two runs on one machine do not meet."""
    (script,) = SHELL.findall((ROOT / "docs" / "first-service.md").read_text(encoding="utf-8"))
    assert "localhost:18443" in script
    printed = run_as_it_stands(script.replace("18443", str(free_port())), tmp_path)
    heard = [line for line in printed.splitlines() if line.startswith(("hello", "alice is"))]
    assert heard == ["hello from alice", "hello from bob", "hello from bob", "alice is not accepted any more"]
    assert "certificate_revoked" in printed


GUIDE = SHELL.findall((ROOT / "docs" / "authority.md").read_text(encoding="utf-8"))


@pytest.mark.interop
@pytest.mark.full
def test_the_commands_of_the_authoritys_guide_run_as_they_stand(tmp_path: Path) -> None:
    """One block after the other, in one folder."""
    find("openssl")
    printed = run_as_it_stands("\n".join(GUIDE), tmp_path)
    assert "revoked api.example.com, serial " in printed
    assert "verify OK" in printed


def test_the_authoritys_guide_begins_with_commands_that_do_what_they_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first block, in this process, whose modules are loaded, and with keys that are quick to open."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(key_encryption, "COST", 2)
    run_here(GUIDE[0], monkeypatch)


def test_a_first_gateway_is_checked_and_explained_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and the commands of its page, in this process: the page shows what they print."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(key_encryption, "COST", 2)
    page = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
    after = page.partition("## The file")[2]
    example = re.search(r"^```toml\n(.*?)^```$", after, re.MULTILINE | re.DOTALL)
    commands = next(each for each in SHELL.findall(after) if "ca init" in each)
    assert example is not None
    Path("gateway.toml").write_text(example.group(1), encoding="utf-8")
    *_, checked, explained = run_here(commands, monkeypatch)
    assert f"$ bothways gateway check -c gateway.toml\n{checked}" in page
    assert f"$ bothways gateway explain -c gateway.toml batch-7.pem\n{explained}" in page


GATEWAY_FILES = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in (ROOT / "README.md", ROOT / "docs" / "gateway.md", ROOT / "docs" / "running-a-gateway.md")
    for number, block in enumerate(TOML.findall(page.read_text(encoding="utf-8")), 1)
]


@pytest.mark.parametrize("block", GATEWAY_FILES)
def test_every_part_of_a_gateways_file_on_a_page_is_one_that_a_gateway_takes(block: str) -> None:
    """With the parts that it does not show."""
    rest = ""
    for name, part in (
        ("identity", '[identity]\ncertificate = "gateway.pem"\nclient_ca = "ca.pem"\n'),
        ("listener", "[[listener]]\nport = 8443\n"),
        ("route", '[[route]]\nserver_names = ["db.example.com"]\nbackend = "127.0.0.1:5432"\n'),
    ):
        if re.search(rf"^(?:\[\[?{name}\]|{name} =)", block, re.M) is None:
            rest += part
    if "allow" not in block or "[status]" in block:
        rest = rest.replace("[[route]]\n", '[[route]]\nallow = "any verified client"\n')
    parsed_config("gateway.toml", f"{rest}{block}" if "[[" in rest else f"{block}{rest}")


def run_here(block: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the commands of a block after its first line, a passphrase, in this process; returns what each printed."""
    first, *lines = block.splitlines()
    monkeypatch.setenv("BOTHWAYS_CA_PASSPHRASE", first.partition('"')[2].rstrip('"'))
    printed = []
    for line in lines:
        words, _, file = line.partition(" > ")
        result = CliRunner().invoke(bothways, shlex.split(words)[1:], catch_exceptions=False)
        assert result.exit_code == 0, f"{line}: {result.output}"
        printed.append(result.stdout)
        if file:
            Path(file).write_text(result.stdout, encoding="utf-8")
    return printed


def run_as_it_stands(script: str, folder: Path) -> str:
    """Run a page's commands in a shell that ends at the first that fails; returns what they printed."""
    output = folder / "output"
    with output.open("w") as file:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script], cwd=folder, **shell_options(folder / "bin"),
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
        try:
            status = shell.wait(300)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    printed = output.read_text(encoding="utf-8")
    assert status == 0, printed
    return printed


def test_the_readme_has_python_to_run() -> None:
    assert BLOCK.search((ROOT / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", sorted({*PAGES, *ELSEWHERE}), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target, heading in LINK.findall(page.read_text(encoding="utf-8")):
        led = page.parent / target if target else page
        assert led.exists(), target
        if heading:
            assert heading in anchors(led), f"{target}#{heading}"


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_test_that_the_pages_name_exists() -> None:
    """docs/attacks.md answers each attack with a test; one that went away must not be leaned on."""
    named = {
        name
        for page in PAGES
        for name in re.findall(r"`(test_[a-z0-9_]+)`", page.read_text(encoding="utf-8"))
    }
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    defined = {name for source in sources for name in re.findall(r"def (test_[a-z0-9_]+)", source)}
    assert named <= defined


@pytest.mark.parametrize("page", sorted({*PAGES, *ELSEWHERE}), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_row_of_a_table_has_as_many_cells_as_its_head(page: Path) -> None:
    width = None
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert width in (None, cells) or cells is None, line
        width = cells if cells is None or width is None else width
