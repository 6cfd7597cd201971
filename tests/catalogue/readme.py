"""The refusal that README shows: a client whose chain lacks its intermediate CA, as the command prints it."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from bothways import Credentials, ServerConfig, TrustStore
from bothways.testing.server import Server, echo
from catalogue import people
from command_line import bothways, environment, run_command

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "README.md"
ADDRESS = "localhost:8443"
BLOCK = re.compile(r"(?<=^```text\n)\$ (bothways [^\n]+)\n\.\.\.\n(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)


def shown() -> tuple[str, str]:
    """The command in README, and what it shows of its output."""
    command, output = BLOCK.findall(PATH.read_text(encoding="utf-8"))[0]
    return command, output


def printed(command: str) -> str:
    """What the command prints from the refusal on, with README's address."""
    server, me, root = people.server(), people.client(), people.root()
    config = ServerConfig(
        credentials=Credentials.from_pem(server.chain_pem, server.key_pem),
        client_anchors=TrustStore.from_pem(root.pem),
    )
    with TemporaryDirectory(prefix="readme-") as folder, Server(config, echo) as listening:
        for name, content in {"root.pem": root.pem, "me.pem": me.pem, "me.key": me.key_pem}.items():
            (Path(folder) / name).write_bytes(content)
        address = f"localhost:{listening.port}"
        words = command.replace(ADDRESS, address).split()[1:]
        ended = run_command(
            bothways(*words),
            cwd=folder,
            input="hello",
            text=True,
            capture_output=True,
            timeout=60,
            env=environment(),
        )
    if ended.returncode != 1:
        raise RuntimeError(f"expected a refusal: {ended.stderr}")
    return ended.stderr.replace(address, ADDRESS).partition("bothways: ")[2]


def rewrite() -> None:
    """Put what the command prints today into README."""
    command, _ = shown()
    block = f"$ {command}\n...\nbothways: {printed(command)}"
    text = PATH.read_text(encoding="utf-8")
    PATH.write_text(BLOCK.sub(lambda _: block, text, count=1), encoding="utf-8")
