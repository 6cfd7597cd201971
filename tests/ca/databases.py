"""Stores to keep registers in: SQLite in a file, and a PostgreSQL server that the tests start for themselves.

The server belongs to an unprivileged user, since it refuses to run as root; it listens on a socket in its own
directory alone. It writes nothing through to the disk (`fsync=off`): what is killed in the tests are issuers, never
the machine.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from interop import peers

CONFIGURATION = """\
listen_addresses = ''
port = {port}
unix_socket_directories = '{folder}'
fsync = off
max_connections = 50
shared_buffers = 16MB
log_min_messages = fatal
"""
SECONDS = 30
NOTHING: Mapping[str, bytes] = {}


class Cluster:
    """A running PostgreSQL server."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._names = count()

    def url(self, database: str = "postgres") -> str:
        """The database's address as `--store` takes it."""
        return f"postgresql://postgres@/{database}?host={self.folder}&port={self.port}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"register{next(self._names)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            # Older servers copy files too, and do not know the word.
            copied = " STRATEGY file_copy" if connection.info.server_version >= 150000 else ""
            connection.execute(f"CREATE DATABASE {name}{copied}")
        return self.url(name)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, and remove it at the end whoever still uses it: each is 300 files on the disk."""
        url = self.new_database()
        try:
            yield url
        finally:
            with psycopg.connect(self.url(), autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")


@contextmanager
def running_cluster(
    configuration: str = "", access: str = "", files: Mapping[str, bytes] = NOTHING, port: int = 5432
) -> Iterator[Cluster]:
    """Run a server. configuration, access: lines for postgresql.conf, and first lines for pg_hba.conf.

    files: what lies in its data directory, for its eyes alone.
    """
    programs = Path(peers.find("initdb")).parent
    owner = _owner()
    # Not pytest's own directory: others may not enter that, and the path of a socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="bothways-pg-"))
    try:
        if owner is not None:
            os.chown(folder, owner, -1)
        _run([programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
              "--no-sync", "--no-instructions"], owner)  # fmt: skip
        with (folder / "data" / "postgresql.auto.conf").open("a") as file:
            file.write(CONFIGURATION.format(folder=folder, port=port) + configuration)
        access_file = folder / "data" / "pg_hba.conf"
        access_file.write_text(access + access_file.read_text())
        for name, content in files.items():
            path = folder / "data" / name
            path.touch(mode=0o600)
            path.write_bytes(content)
            if owner is not None:
                os.chown(path, owner, -1)
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data"], user=owner, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            cluster = Cluster(folder, port)
            _await(cluster, server)
            yield cluster
        finally:
            server.send_signal(signal.SIGINT)  # which ends its sessions, and then itself
            server.wait(SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def execute(url: str, statement: str) -> None:
    """Do something to a store behind the register's back."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as lite, lite:
            lite.executescript(statement)
    else:
        with psycopg.connect(url) as connection:
            connection.execute(statement)


def _owner() -> int | None:
    """Whose the server is: ours, or where we are root the one that Debian makes for it."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise AssertionError("there is no user but root")


def _run(words: list[str | Path], owner: int | None) -> None:
    done = subprocess.run(words, user=owner, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _await(cluster: Cluster, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        assert server.poll() is None, "PostgreSQL did not start"
        try:
            psycopg.connect(cluster.url()).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)
        else:
            return
