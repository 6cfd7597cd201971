"""What docs/design.md and its pages name is in the sources: modules by their paths, and names in their modules."""

from __future__ import annotations

import ast
import re

import pytest

from architecture.sources import ROOT, SOURCE

DOCS = ROOT / "docs"
PAGES = ("design", "decisions", "life-of-a-connection", "life-of-a-verdict", "from-failure-to-explanation")
CODE = re.compile(r"`([^`]+)`")
ROW = re.compile(
    r"^\| (?P<what>[^|]+) \| (?P<modules>(?:`[\w/]+\.py`(?:, )?)+) \| (?P<names>[^|]+) \|$", re.M
)
ROWS = list(ROW.finditer((DOCS / "design.md").read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES)
def test_every_module_and_package_that_a_page_names_exists(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text("utf-8")
    named = {each for each in CODE.findall(text) if re.fullmatch(r"[\w/]+(\.py|/)", each)}
    lost = {each for each in named if not any((base / each).exists() for base in (SOURCE / "bothways", ROOT))}
    assert lost <= {each for each in named if "/" not in each and _is_somewhere(each)}


def test_the_table_of_where_to_change_what_has_at_least_twenty_answers() -> None:
    assert len(ROWS) >= 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["what"])
def test_every_name_of_the_table_is_defined_in_a_module_of_its_row(row: re.Match[str]) -> None:
    defined = set()
    for module in CODE.findall(row["modules"]):
        defined |= _defined(ast.parse((SOURCE / "bothways" / module).read_text("utf-8")))
    names = CODE.findall(row["names"])
    assert names
    assert set(names) <= defined


def _defined(tree: ast.Module) -> set[str]:
    names = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {each.id for each in node.targets if isinstance(each, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def _is_somewhere(name: str) -> bool:
    return any((SOURCE / "bothways").rglob(name))
