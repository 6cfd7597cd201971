"""How Sphinx makes the documentation site from the repository's Markdown pages: `make site`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

project = "bothways"
extensions = ["myst_parser"]
root_doc = "README"
source_suffix = {".md": "markdown"}
include_patterns = ["*.md", "docs/*.md", "requirements/*.md"]
exclude_patterns = [".*", "build", "dist"]
myst_heading_anchors = 6  # anchors as GitHub makes them
html_theme = "furo"
html_title = "bothways"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_use_index = False

# Of the table in docs/README.md: the heading, if a part begins, and the name of the page.
ROW = re.compile(r"^\| (?:\*\*(.+)\*\*)? ?\| \[[\w.-]+\]\(([\w-]+)\.md\)", re.MULTILINE)


def _with_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """Add the site's table of contents to its first page: the pages of that table, with its headings."""
    if page != root_doc:
        return
    parts: dict[str, list[str]] = {}
    heading = ""
    for new, name in ROW.findall(Path(app.srcdir, "docs", "README.md").read_text(encoding="utf-8")):
        heading = new or heading
        parts.setdefault(heading, []).append(f"docs/{name}")
    named = {page for pages in parts.values() for page in pages}
    parts["The project"] = sorted(app.env.found_docs - named - {root_doc})
    for heading, names in parts.items():
        lines = ["", "```{toctree}", ":hidden:", f":caption: {heading}", *names, "```", ""]
        source[0] += "\n".join(lines)


def _with_index(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        shutil.copyfile(app.outdir / f"{root_doc}.html", app.outdir / "index.html")


def setup(app: Sphinx) -> None:
    """Connect what this site adds to Sphinx."""
    app.connect("source-read", _with_contents)
    app.connect("build-finished", _with_index)
