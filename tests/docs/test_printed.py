"""What pages show as printed is what the commands print today, and steps are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import cryptography_vectors
import pytest

from architecture.sources import ROOT
from bothways.roles import StepId
from catalogue.readme import printed, shown
from command_line import bothways, environment, run_command


@pytest.mark.network
def test_the_refusal_in_the_readme_is_what_the_command_prints() -> None:
    """All but the port."""
    command, output = shown()
    assert output == f"bothways: {printed(command)}", "make failures"


def test_the_certificate_on_the_page_about_show_is_described_as_printed(tmp_path: Path) -> None:
    """All but the years since it expired."""
    page = (ROOT / "docs" / "show.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```text\n\$ bothways show www\.pem\n(.*?)^```$", page, re.M | re.S)
    vectors = Path(str(cryptography_vectors.__file__)).parent
    (tmp_path / "www.pem").write_bytes((vectors / "x509" / "cryptography.io.pem").read_bytes())
    ended = run_command(
        bothways("show", "www.pem"),
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=60,
        env=environment(),
    )
    assert re.sub(r"\d+ years", "8 years", ended.stdout).strip() == shown.strip()


def test_the_steps_on_their_page_are_those_of_the_code() -> None:
    """All but verdicts as a whole, and the phase that a refusal of the client belongs to where no more is known."""
    page = (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")
    whole = {StepId.SERVER_VERDICT, StepId.CLIENT_VERDICT, StepId.CLIENT_AUTHENTICATION}
    steps = [(each.value, each.name.lower()) for each in StepId if each not in whole]
    assert re.findall(r"^\| (\d\.\d[a-c]?) \| `(\w+)` \|", page, re.M) == steps
