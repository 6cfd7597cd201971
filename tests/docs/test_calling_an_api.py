"""The guide for who calls an API, run with files as a bank sends them, against a server that stands for the bank's."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from architecture.sources import ROOT
from bothways.testing import MutualTLS
from command_line import shell_options
from interop.peers import find

PAGE = (ROOT / "docs" / "calling-an-api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
NAMES = ("show", "pkcs12", "pem", "java", "windows", "request", "code")
WRAPPER = """#!/bin/sh
case "$*" in *--code*) ;; get*) shift; set -- get --connect-to 127.0.0.1:{port} "$@";; esac
exec "{command}" "$@"
"""


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A folder with what a bank sent, and the bank's server."""
    folder = tmp_path_factory.mktemp("bank")
    with MutualTLS(tmp_path_factory.mktemp("pki")) as mutual:
        server = mutual.server(mutual.identity("server", dns=["api.bank.example"]), client_auth="require")
        mine = mutual.identity("client")
        leaf, rest = mine.cert.read_text().split("-----END CERTIFICATE-----\n", 1)
        (folder / "client.crt").write_text(leaf + "-----END CERTIFICATE-----\n")
        (folder / "intermediate.crt").write_text(rest)
        (folder / "client.key").write_bytes(mine.key.read_bytes())
        (folder / "client.p12").write_bytes(mine.p12.read_bytes())
        (folder / "password").write_text(mine.password + "\n")
        (folder / "bank-ca.pem").write_bytes(mutual.ca.read_bytes())
        (folder / "payment.json").write_text('{"amount": 1}')
        (folder / "from-the-bank").mkdir()
        (folder / "from-the-bank" / "client.crt").write_text((folder / "client.crt").read_text())
        (folder / "bin").mkdir()
        options = shell_options(folder / "forked")
        command = folder / "bin" / "bothways"
        command.write_text(WRAPPER.format(port=server.port, command=folder / "forked" / "bothways"))
        command.chmod(0o755)
        options["env"]["PATH"] = os.pathsep.join((str(folder / "bin"), os.environ["PATH"]))
        yield folder, server, options


def run(bank, script: str) -> str:
    folder, _, options = bank
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_guide_has_a_block_for_each_kind_of_file():
    assert len(BLOCKS) == len(NAMES)


@pytest.mark.network
@pytest.mark.parametrize("name", ["pkcs12", "pem"])
def test_the_commands_reach_the_first_200(bank, name):
    reported = json.loads(run(bank, BLOCKS[NAMES.index(name)]))
    assert reported["path"] == "/accounts"
    assert reported["client"]["dns"] == ["client.example"]


@pytest.mark.network
def test_the_request_of_the_guide_is_sent_as_it_says(bank):
    assert run(bank, BLOCKS[NAMES.index("request")]) == ""
    reported = json.loads((bank[0] / "receipt.json").read_text())
    assert (reported["method"], reported["body"], reported["headers"]["X-Request-ID"]) == (
        "POST",
        '{"amount": 1}',
        "7f3a",
    )


def test_the_response_is_reported_and_the_program_is_printed(bank):
    assert "certificate" in run(bank, BLOCKS[NAMES.index("show")])
    program = run(bank, BLOCKS[NAMES.index("code")])
    compile(program, "program", "exec")
    assert "SSLContext(config)" in program


@pytest.mark.network
@pytest.mark.interop
def test_a_java_key_store_reaches_the_first_200(bank):
    keytool, folder = find("keytool"), bank[0]
    subprocess.run(
        [keytool, "-importkeystore", "-noprompt", "-srckeystore", "client.p12", "-destkeystore", "client.jks",
         "-deststoretype", "JKS", "-srcstorepass:file", "password", "-deststorepass:file", "password"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    assert json.loads(run(bank, BLOCKS[NAMES.index("java")]))["path"] == "/accounts"


@pytest.mark.network
@pytest.mark.interop
def test_an_export_of_windows_reaches_the_first_200(bank):
    openssl = find("openssl")
    subprocess.run(
        [openssl, "crl2pkcs7", "-nocrl", "-certfile", "bank-ca.pem", "-outform", "DER", "-out", "bank-ca.p7b"],
        cwd=bank[0], check=True,
    )  # fmt: skip
    assert json.loads(run(bank, BLOCKS[NAMES.index("windows")]))["path"] == "/accounts"
