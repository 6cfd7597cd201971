"""What `make image` is made of: extras that there are, and versions that the tests ran with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([\w.-]+(?:\[[\w,-]+\])?)==([^ ;]+)", re.MULTILINE)


def pinned(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / "requirements" / name).read_text()))


def test_the_image_has_the_versions_that_were_tested() -> None:
    image, tested = pinned("image.txt"), pinned("dev.txt")
    assert len(image) > 10
    assert {name: version for name, version in image.items() if tested.get(name) != version} == {}


def test_the_image_has_extras_that_there_are_and_runs_as_nobody_in_particular() -> None:
    text = (ROOT / "packaging" / "Containerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [extras] = re.findall(r"bothways\[([a-z,]+)\]", text)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert text.index("USER 10001:10001") < text.index("ENTRYPOINT")  # a number, as runAsNonRoot wants it
