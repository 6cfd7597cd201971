"""Commands, options, modules, files and tests that README and docs/ name are there."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from architecture.sources import ROOT, modules, nodes
from bench.__main__ import ON_DEMAND, ROWS
from bench.figures import FIGURES
from bothways.cli.commands import bothways
from bothways.cli.options.ech import EchType

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Written by the catalogue, which runs the commands of other programs that it shows.
HAND_WRITTEN = [page for page in PAGES if page.name != "failures.md"]
# Options of `bench`, of `python -m fleet`, of curl, redis-cli, systemctl, tlsfuzzer and other programs on the pages.
OTHERS = {
    "--runs",
    "--ems",
    "--cookie",
    "--verify",
    "--post-handshake-auth",
    "--pha-as-reply",
    "--cert-required",
    "--counts",
    "--news",
    "--cacert",
    "--resolve",
    "--bind",
    "--now",
    "--sni",
}
# Arguments of asyncio, httpx, requests and uvicorn.
OTHERS_ARGUMENTS = {"ssl", "verify", "http"}
TABLES_OF_OTHERS = "libraries.md"  # the rows of its tables name arguments of many libraries
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
COMMAND = re.compile(r"(?<![\w./-])bothways((?: [a-z][a-z-]*)+)([^`\n|;&)]*)")
DOTTED = re.compile(r"(?<![\w/])bothways(?:\.[A-Za-z_]\w*)+(?!\.?\w)(?!/)")
FILE = re.compile(r"(?<![\w/.])((?:tests|src|docs)/[\w./-]*\w)")
# `[test_path: validity has no tolerance, any order; names/test_x]`: a module below tests/, parts of its tests' names.
BRACKET = re.compile(r"\[((?:[a-z_]+/)*test_[^\]\n]+)\](?!\()")


def by_page(pages: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.name)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8").replace("\\\n", " ")


@by_page(HAND_WRITTEN)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    known = set().union(OTHERS, *(options(command) for command in commands().values()))
    assert set(OPTION.findall(text_of(page))) <= known


@by_page(HAND_WRITTEN)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    text = text_of(page)
    for named in (*re.findall(r"`(bothways [a-z][a-z -]*)", text), *command_lines(text)):
        words = tuple(named.split()[1:])
        assert longest(words) or words[0].startswith("-"), named


@by_page(HAND_WRITTEN)
def test_every_command_line_of_a_page_names_options_of_that_command(page: Path) -> None:
    for words, rest in COMMAND.findall(text_of(page)):
        path = longest(tuple(words.split()))
        if path:
            given = set(re.findall(r"(?<![\w-])--?[a-zA-Z][a-z0-9-]*", rest))
            assert given <= options(commands()[path]), (path, rest)


@by_page(HAND_WRITTEN)
def test_every_command_line_in_a_block_is_one_that_the_command_takes(page: Path) -> None:
    """With its arguments and the values of its options; files are not read here."""
    for line in command_lines(text_of(page)):
        words = shlex.split(line, comments=True)[1:]
        path = longest(tuple(words))
        if path and not ({"...", "HOST:PORT", "-h", "--help"} & set(words)):
            check_words(path, words[len(path) :])


def command_lines(text: str) -> Iterator[str]:
    """Each command line of ours in the blocks of a page, without what the shell does with it."""
    for block in re.findall(r"^```(?:|sh|console|text)\n(.*?)^```$", text, re.M | re.S):
        for line in re.findall(r"^(?:\$ )?(?:\S+ \| )?(bothways .*)$", block, re.M):
            yield re.split(r" (?:2?>|&&|\|\||\||&)(?:\s|$)|   +", line)[0]


def check_words(path: tuple[str, ...], words: list[str]) -> None:
    """Have a command read its words. Fails if it refuses them for another reason than a file that is not there."""
    command = commands()[path]
    context = click.Context(command, info_name=" ".join(path))
    given, rest, _ = command.make_parser(context).parse_args(args=words)
    assert not rest, (path, rest)
    for each in command.params:
        value = given.get(each.name or "")
        is_open = "$" in str(value) or "..." in str(value)  # the shell's part, or what is left out
        if value is not None and not is_open and not isinstance(each.type, click.Path | EchType):
            each.process_value(context, value)
        assert not each.required or given.get(each.name or "") is not None, (path, each.name)


@by_page(PAGES)
def test_every_dotted_name_of_a_page_can_be_imported(page: Path) -> None:
    for name in DOTTED.findall(text_of(page)):
        if not name.endswith((".py", ".fish")):
            assert is_found(name), name


@by_page(PAGES)
def test_every_file_of_the_repository_that_a_page_names_exists(page: Path) -> None:
    for name in FILE.findall(text_of(page)):
        assert (ROOT / name).exists() or (page.parent / name).exists(), name


@by_page(PAGES)
def test_every_module_of_tests_that_a_page_names_exists(page: Path) -> None:
    for name in re.findall(r"`(test_\w+\.py)`", text_of(page)):
        assert any(path.name == name for path in files_of_tests()), name


@by_page(HAND_WRITTEN)
def test_every_argument_that_a_page_names_exists(page: Path) -> None:
    """`judge_again=` or `Fetch(nonce="require")`, outside of blocks: a parameter or a field in the sources."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)
    if page.name == TABLES_OF_OTHERS:
        text = re.sub(r"^\| .*$", "", text, flags=re.M)
    spans = re.findall(r"`([^`\n]+)`", text)
    named = {name for span in spans for name in re.findall(r"(?:^|[(, ])([a-z][a-z_]+)=(?![=/])", span)}
    assert named - OTHERS_ARGUMENTS <= parameters()


@by_page(PAGES)
def test_every_extra_and_every_target_of_make_that_a_page_names_exists(page: Path) -> None:
    text = text_of(page)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {extra for group in re.findall(r"bothways\[([a-z0-9,]+)\]", text) for extra in group.split(",")}
    assert extras <= set(project["optional-dependencies"])
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`make |^make (?=\w+ +#))([a-z-]+)", text, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target


@by_page(HAND_WRITTEN)
def test_every_row_of_the_benchmarks_that_a_page_names_exists(page: Path) -> None:
    for words in re.findall(r"make bench ARGS=(\"[^\"]+\"|\w+)", text_of(page)):
        named = {
            word for word in shlex.split(words)[0].split() if not word.startswith("--") and not word.isdigit()
        }
        assert named <= {*ROWS, *ON_DEMAND, *FIGURES}, words


def test_every_extra_is_on_the_page_about_installing_and_among_the_decisions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in ("installing", "decisions"):
        rows = re.findall(r"^\| (`[a-z0-9`, ]+`) \| ", text_of(ROOT / "docs" / f"{name}.md"), re.M)
        listed = set(re.findall(r"`([a-z0-9]+)`", " ".join(rows)))
        assert set(project["optional-dependencies"]) - {"all", "dev"} <= listed, name


@by_page(PAGES)
def test_every_fault_and_caution_that_a_page_names_exists(page: Path) -> None:
    for kind, name in re.findall(r"\b(Fault|Caution)\.([A-Z_0-9]{2,})\b", text_of(page)):
        assert hasattr(getattr(importlib.import_module("bothways"), kind), name), f"{kind}.{name}"


@by_page(PAGES)
def test_every_test_in_brackets_exists(page: Path) -> None:
    for module, part in bracketed(text_of(page)):
        found = [path for path in files_of_tests() if path.as_posix().endswith(f"/{module}.py")]
        assert len(found) == 1, module
        assert any(part in name for name in names_in(found[0])), (module, part)


def test_brackets_are_read_as_modules_and_parts_of_names() -> None:
    text = "yes. [test_a: it's so, NOT otherwise; b/test_c] And [a link](test_page.md) [test_x](y.md)."
    assert list(bracketed(text)) == [
        ("test_a", "its_so"), ("test_a", "not_otherwise"), ("b/test_c", "test_")
    ]  # fmt: skip


def bracketed(text: str) -> Iterator[tuple[str, str]]:
    """Each module that a bracket names, with each part of a test's name; any test where no part is given."""
    for inside in BRACKET.findall(text):
        for group in inside.split(";"):
            module, _, parts = group.strip().partition(":")
            for part in parts.split(",") if parts else ["test_"]:
                yield module, re.sub(r"[^a-z0-9]+", "_", part.lower().strip().replace("'", ""))


@cache
def parameters() -> frozenset[str]:
    """The names of all parameters and of all fields of classes in the sources."""
    names = set()
    for tree in modules().values():
        for node in nodes(tree):
            if isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
    return frozenset(names)


@cache
def files_of_tests() -> list[Path]:
    return list((ROOT / "tests").rglob("*.py"))


@cache
def names_in(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))


@cache
def commands() -> dict[tuple[str, ...], click.Command]:
    """Every command by its words."""
    found: dict[tuple[str, ...], click.Command] = {}
    waiting: list[tuple[tuple[str, ...], click.Command]] = [((), bothways)]
    while waiting:
        path, command = waiting.pop()
        found[path] = command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                waiting.append(((*path, name), below))
    return found


def longest(words: tuple[str, ...]) -> tuple[str, ...]:
    """The longest beginning of some words that is a command."""
    return next(words[:size] for size in range(len(words), -1, -1) if words[:size] in commands())


def options(command: click.Command) -> set[str]:
    return {"-h", "--help"}.union(
        *(each.opts + each.secondary_opts for each in command.params if isinstance(each, click.Option))
    )


def is_found(name: str) -> bool:
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            thing: object = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            thing = getattr(thing, part, None)
        return thing is not None
    return False
