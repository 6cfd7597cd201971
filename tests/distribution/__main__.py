"""Write what the package brings beside its modules: `python -m distribution`, or `make manual`.

packaging/bothways.1 is the manual page, from the help of every command; packaging/bothways.cdx.json is the software
bill of materials (CycloneDX 1.6) that the wheel has in .dist-info/sboms (PEP 770), from pyproject.toml.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator

import click

from architecture.sources import ROOT
from bothways.cli.commands import bothways

FOLDER = ROOT / "packaging"


def files() -> dict[str, str]:
    """Every file by its name, with its content."""
    return {"bothways.1": manual(), "bothways.cdx.json": bill_of_materials()}


def manual() -> str:
    """The manual page in man(7): the command, then each subcommand with its options."""
    lines = [
        '.TH BOTHWAYS 1 "" "bothways" "User Commands"',
        ".SH NAME",
        r"bothways \- mutual TLS: connect, serve, examine, explain, and issue certificates",
        ".SH SYNOPSIS",
        r".B bothways",
        r"[\-\-version] [\-\-help] COMMAND [ARGS]...",
        ".SH DESCRIPTION",
        "Both sides of a TLS connection prove who they are with certificates. Every check can be seen, and a failure",
        "explains itself.",
        ".SH COMMANDS",
    ]
    for name, command in _commands(bothways, "bothways"):
        lines += _command(name, command)
    lines += [
        ".SH EXIT STATUS",
        "0: done. 1: a peer or a certificate was refused, or the connection failed, timed out or was cut.",
        "2: wrong use, or a file that cannot be read.",
        ".SH ENVIRONMENT",
        "BOTHWAYS_CA_PASSPHRASE, BOTHWAYS_CA_PIN: the passphrase of a CA's keys, the PIN of its token.",
        r"SSLKEYLOGFILE: see \-\-insecure\-keylog.",
    ]
    return "\n".join(lines) + "\n"


def bill_of_materials() -> str:
    """The package and the distributions that it needs, by the ranges that it asks for; it contains no other code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    needs = [re.fullmatch(r"([\w.-]+)(.*)", each) for each in project["dependencies"]]
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{need[1]}",
            "name": need[1],
            "purl": f"pkg:pypi/{need[1]}",
            "properties": [{"name": "python:requires", "value": need[2]}],
        }
        for need in needs
        if need is not None
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "purl": own,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": own, "dependsOn": [each["bom-ref"] for each in components]}],
    }
    return json.dumps(document, indent=2) + "\n"


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        elif command is not None and not command.hidden:
            yield f"{path} {name}", command


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f'.SS "{_escaped(f"{name} {usage}")}"'
    for paragraph in (command.help or "").split("\n\n"):
        yield _escaped(" ".join(paragraph.split()))
        yield ".PP"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:  # it is named once, at the top
            yield ".TP"
            yield f".B {_escaped(record[0])}"
            yield _escaped(" ".join(record[1].split()))


def _escaped(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    return rf"\&{text}" if text.startswith((".", "'")) else text


def main() -> int:
    """Write every file that has changed, and say which."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in files().items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
