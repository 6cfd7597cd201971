"""Servers of others that speak plain text and turn to TLS when asked, each from a folder of its own on loopback."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import library_services as services
from interop import mariadb
from interop.peers import find, user_name
from library_services import Files, running
from processes import free_port

MAIL_USER = 65534  # who owns the mail where we are root
Server = Callable[[Files], contextlib.AbstractContextManager[int]]


@contextlib.contextmanager
def smtp(files: Files) -> Iterator[int]:
    """Python's aiosmtpd over `ssl`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    with services.smtp_starttls(context) as port:
        yield port


@contextlib.contextmanager
def postgres(files: Files) -> Iterator[int]:
    with services.postgresql(files) as port:
        yield port


@contextlib.contextmanager
def ldap(files: Files) -> Iterator[int]:
    """OpenLDAP's slapd."""
    tls = f"TLSCertificateFile {files.cert}\nTLSCertificateKeyFile {files.key}\nTLSCACertificateFile {files.ca}\n"
    with slapd(files.folder, tls) as port:
        yield port


@contextlib.contextmanager
def slapd(folder: Path, tls: str = "") -> Iterator[int]:
    """OpenLDAP's slapd, with its monitor as the only database."""
    port = free_port()
    config = folder / "slapd.conf"
    config.write_text(
        "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_monitor\n"
        f"pidfile {folder}/slapd.pid\n{tls}database monitor\n"
    )
    command = [find("slapd"), "-f", str(config), "-h", f"ldap://127.0.0.1:{port}", "-d", "0"]
    with running(command, port, folder) as listening:
        yield listening


def dovecot(protocol: str) -> Server:
    """Dovecot, by one of its protocols."""

    def served(files: Files) -> contextlib.AbstractContextManager[int]:
        return running_dovecot(
            protocol, files.folder, f"ssl = yes\nssl_cert = <{files.cert}\nssl_key = <{files.key}\n"
        )

    return served


@contextlib.contextmanager
def running_dovecot(protocol: str, logs: Path, tls: str) -> Iterator[int]:
    """Dovecot, by one of its protocols. tls: lines about that."""

    service = {"imap": "imap-login", "pop3": "pop3-login", "sieve": "managesieve-login"}[protocol]
    # Its login processes refuse to run as root; where we are root, they are those whom Debian makes for it.
    login, internal = ("dovenull", "dovecot") if user_name() == "root" else (user_name(),) * 2
    port = free_port()
    # Not pytest's own directory, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="bothways-dovecot-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for inner in ("run", "state", "mail"):
            (folder / inner).mkdir()
        owner = os.geteuid() or MAIL_USER
        os.chown(folder / "mail", owner, -1)
        config = folder / "dovecot.conf"
        config.write_text(
            f"base_dir = {folder}/run\nstate_dir = {folder}/state\nprotocols = {protocol}\n"
            f"listen = 127.0.0.1\n{tls}"
            f"mail_location = maildir:{folder}/mail\nlog_path = {logs}/dovecot.log\n"
            f"default_internal_user = {internal}\ndefault_login_user = {login}\n"
            "passdb {\n driver = static\n args = nopassword=y\n}\nuserdb {\n driver = static\n"
            f" args = uid={owner} gid={owner} home={folder}/mail\n}}\n"
            f"service {service} {{\n chroot =\n inet_listener {protocol} {{\n port = {port}\n }}\n"
            f" inet_listener {protocol}s {{\n port = 0\n }}\n}}\nservice anvil {{\n chroot =\n}}\n"
        )
        with running([find("dovecot"), "-F", "-c", str(config)], port, logs) as listening:
            yield listening


@contextlib.contextmanager
def mysql(files: Files) -> Iterator[int]:
    """MariaDB, with empty tables of its own."""
    port, data = free_port(), files.folder / "data"
    mariadb.install(data)
    command = [
        *(
            find("mariadbd"),
            "--no-defaults",
            f"--datadir={data}",
            f"--user={user_name()}",
            f"--tmpdir={files.folder}",
            "--bind-address=127.0.0.1",
        ),
        *(
            f"--port={port}",
            f"--socket={files.folder}/sock",
            f"--ssl-cert={files.cert}",
            f"--ssl-key={files.key}",
        ),
        *(f"--ssl-ca={files.ca}", "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=8M"),
    ]
    with running(command, port, files.folder) as listening:
        yield listening


@contextlib.contextmanager
def xmpp(files: Files) -> Iterator[int]:
    """Prosody, which speaks to clients alone here."""
    port = free_port()
    config = files.folder / "prosody.cfg.lua"
    config.write_text(
        f'run_as_root = true\npidfile = "{files.folder}/prosody.pid"\ndata_path = "{files.folder}"\n'
        f'modules_enabled = {{ "tls", "saslauth" }}\nmodules_disabled = {{ "s2s", "http" }}\n'
        f'interfaces = {{ "127.0.0.1" }}\nc2s_ports = {{ {port} }}\ns2s_ports = {{}}\n'
        f'ssl = {{ certificate = "{files.cert}"; key = "{files.key}" }}\nlog = "{files.folder}/prosody.log"\n'
        'VirtualHost "localhost"\n'
    )
    with running([find("prosody"), "--config", str(config), "-F"], port, files.folder) as listening:
        yield listening


SERVERS: dict[str, Server] = {
    "smtp": smtp,
    "postgres": postgres,
    "ldap": ldap,
    "imap": dovecot("imap"),
    "pop3": dovecot("pop3"),
    "sieve": dovecot("sieve"),
    "mysql": mysql,
    "xmpp": xmpp,
}
