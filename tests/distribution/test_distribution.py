"""What the package brings beside its modules; tests/architecture holds that it is what the sources give."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

from architecture.sources import ROOT
from distribution.__main__ import files


def test_the_manual_page_has_every_command_and_every_option_of_connect() -> None:
    page = files()["bothways.1"]
    for name in ("demo", "serve", "connect", "get", "show", "doctor", "verify", "ca init", "ca audit"):
        assert f'.SS "bothways {name} ' in page
    assert r".B \-\-password\-file FILE" in page


def test_a_wheel_has_its_bill_of_materials_and_its_manual_page(tmp_path: Path) -> None:
    """PEP 770 and PEP 639: .dist-info/sboms, .dist-info/licenses."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (bill,) = [each for each in names if each.endswith(".dist-info/sboms/bothways.cdx.json")]
        assert json.loads(archive.read(bill))["components"][0]["name"] == "cryptography"
    assert any(each.endswith(".data/data/share/man/man1/bothways.1") for each in names)
    assert any(each.endswith(".dist-info/licenses/LICENSE") for each in names)
    assert "bothways/py.typed" in names
