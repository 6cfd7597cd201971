"""The documentation site that `make site` makes: every link, anchor and picture of it leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from browser import shown

ROOT = Path(__file__).resolve().parents[2]
DEAD = (
    "[a page](absent.md)",
    "[a part of another page](../README.md#absent)",
    "[a part of this page](#absent)",
    "[a file](absent.txt)",
    "![a picture](absent.svg)",
)


def built(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build as the Makefile does."""
    options = ("-q", "-W", "--keep-going", "-c", str(root / "docs"), "-d", str(site / ".doctrees"))
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(root), str(site)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = built(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


class Page(HTMLParser):
    """What a page refers to, what it loads, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.loads: list[str] = []
        self.pictures: list[str] = []
        self.anchors = {"", "top"}  # the top of a page, by HTML
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.add(values.get("id", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and "href" in values:
            self.loads.append(values["href"])
        elif "src" in values:
            self.loads.append(values["src"])
        if tag == "img":
            self.pictures.append(values["src"])


def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_page_of_the_documentation_is_in_the_site_and_in_its_contents(site: Path) -> None:
    names = {f"docs/{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} | {"CONTRIBUTING.html"}
    contents = {unquote(urlsplit(link).path) for link in Page(site / "index.html").links}
    assert contents >= names
    assert all((site / name).is_file() for name in names)


def test_every_link_and_anchor_of_the_site_leads_somewhere(site: Path) -> None:
    found = pages(site)
    dead = [
        (page.path.name, link)
        for page in found.values()
        for link in (*page.links, *page.loads)
        if not _leads_somewhere(page, link, found)
    ]
    assert not dead


def _leads_somewhere(page: Page, link: str, found: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme in ("https", "http", "data"):
        return True
    target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
    if target in found:
        return unquote(parts.fragment) in found[target].anchors
    return target.is_file() and not parts.fragment


def test_a_page_loads_nothing_from_another_server(site: Path) -> None:
    """Whoever reads it is known to nobody else."""
    for page in pages(site).values():
        assert not [each for each in page.loads if urlsplit(each).netloc], page.path.name


def test_every_picture_of_the_documentation_is_in_the_site(site: Path) -> None:
    shown_here = {Path(unquote(each)).name for page in pages(site).values() for each in page.pictures}
    assert shown_here >= {path.name for path in (ROOT / "docs").rglob("*.svg")}


def test_a_browser_shows_every_picture_of_a_page(site: Path) -> None:
    """Chromium gives no width to a picture that it cannot draw."""
    script = "<script>onload = () => document.title = [...document.images].map(i => i.naturalWidth)</script>"
    page = site / "docs" / "README.html"
    dom = shown(page.read_text(encoding="utf-8") + script, page.parent).dom
    title = dom.partition("<title>")[2].partition("</title>")[0]
    widths = [int(each) for each in title.split(",")]
    assert len(widths) == len(Page(page).pictures)
    assert min(widths) > 100


def test_a_build_with_dead_links_fails_and_names_the_line_of_each(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "conf.py").write_bytes((ROOT / "docs" / "conf.py").read_bytes())
    (docs / "README.md").write_text(
        "# Pages\n\n| | | |\n|---|---|---|\n| **Part** | [other.md](other.md) | x |\n"
    )
    (docs / "other.md").write_text("\n\n".join(("# Other", "[A good one](../README.md#first)", *DEAD)))
    (tmp_path / "README.md").write_text("# First\n")
    done = built(tmp_path, tmp_path / "build" / "site")
    assert done.returncode != 0
    lines = {int(line) for line in re.findall(r"other\.md:(\d+): WARNING: .*absent", done.stderr)}
    assert lines == {5 + 2 * number for number in range(len(DEAD))}, done.stderr
