"""What other people's servers need beside a configuration file: scripts, a database, folders, somebody to run as."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from bothways.net.starttls import request_tls
from bothways.starttls import PROTOCOLS, StartTLS
from interop import mariadb, peers

PROGRAMS = Path(__file__).with_name("programs")
# External pre-shared keys in hexadecimal: one that we have, and one that we have not.
PSK_SECRET = sha256(b"the secret of two sides").hexdigest()
PSK_OTHER_SECRET = sha256(b"the secret of two others").hexdigest()


def filled(text: str, folder: Path, elsewhere: Path) -> str:
    """Return a configuration with this machine's folders and users in it.

    FOLDER is where all files are; ELSEWHERE one that others may enter; USER and NOBODY are whom a server runs as.
    """
    is_root = os.geteuid() == 0
    user = "root" if is_root else peers.user_name()
    words = {"FOLDER": str(folder), "ELSEWHERE": str(elsewhere), "USER": user}
    for word, value in words.items():
        text = text.replace(word, value)
    return text.replace("NOBODY", "dovenull" if is_root else user)


def open_folder() -> Path:
    """Make a folder with a short name that servers which give up their rights may enter."""
    folder = Path(tempfile.mkdtemp(prefix="bothways-"))
    folder.chmod(0o755)
    return folder


def scripts(folder: Path) -> None:
    """Put our programs for others' interpreters where commands run."""
    for each in PROGRAMS.iterdir():
        if each.is_file():
            shutil.copy(each, folder)


def prepare(program: str, folder: Path) -> None:
    """Make what a server needs beside its configuration."""
    if program == "mariadbd" and not (folder / "db").exists():
        _database(folder)
    if program == "java" and not (folder / "Peer.class").exists():
        _compiled(folder)


def _compiled(folder: Path) -> None:
    """Java compiles a source at every start otherwise; a JRE of Debian has the compiler too."""
    words = [peers.find("java"), "-m", "jdk.compiler/com.sun.tools.javac.Main", "Peer.java"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- MariaDB -----------------------------------------------------------------------------------------------

USERS = """\
CREATE USER ada REQUIRE X509;
CREATE USER carl REQUIRE SUBJECT '/CN=carl';
"""


def _database(folder: Path) -> None:
    (folder / "users.sql").write_text(USERS)
    (folder / "changes.sql").write_text(LETS_CARL_IN)
    mariadb.install(folder / "db", "--auth-root-authentication-method=normal")


_MYSQL_ABILITIES = 0x0200 | 0x0800 | 0x8000 | 0x80000  # protocol 4.1, TLS, secure connection, named plugins


def _packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def ask_mysql_for_tls(sock: socket.socket) -> None:
    """MySQL turns to TLS when asked to, after its greeting."""
    assert sock.recv(4096)[4:5] == b"\x0a"
    sock.sendall(_packet(1, struct.pack("<IIB23x", _MYSQL_ABILITIES, 1 << 24, 45)))


def mysql_login(user: bytes) -> bytes:
    """Return the login of a user without a password, within TLS."""
    body = struct.pack("<IIB23x", _MYSQL_ABILITIES, 1 << 24, 45) + user + b"\0\0" + b"mysql_native_password\0"
    return _packet(2, body)


LETS_CARL_IN = "ALTER USER carl REQUIRE X509;\n"

# -- STARTTLS ----------------------------------------------------------------------------------------------


def asking_in(protocol: str) -> Callable[[socket.socket], None]:
    """Request TLS in a protocol, as `connect --starttls` does; what the server makes of it is raised."""

    def ask(sock: socket.socket) -> None:
        request_tls(sock, StartTLS(PROTOCOLS[protocol], "localhost"), time.monotonic() + 5)

    return ask


# -- LDAP, IMAP, gRPC ----------------------------------------------------------------------------------------

LDAP_BIND = bytes.fromhex("300c020101600702010304008000")  # RFC 4511 4.2: version 3, nobody, no password
LDAP_LOGIN = bytes.fromhex(
    "3020020101601b020103040e636e3d6164612c64633d61636d658006736563726574"
)  # cn=ada,dc=acme, secret
LDAP_SEARCH = LDAP_BIND + bytes.fromhex(
    "3025020102632004000a01000a0100020100020100010100870b6f626a656374436c6173733000"
)
IMAP_LOGIN = b"a LOGIN ada secret\r\n"
IMAP_WRONG_LOGIN = b"a LOGIN ada other\r\n"
HTTP2 = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"  # RFC 9113 3.4: the preface and empty SETTINGS
)
# Then HEADERS: GET, https, /, localhost (RFC 7541 A).
HTTP2_REQUEST = HTTP2 + b"\0\0\x0e\x01\x05\0\0\0\x01\x82\x87\x84\x41\x09localhost"
