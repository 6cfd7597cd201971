"""Other people's clients request TLS of a gateway, with other people's services without TLS behind it."""

from __future__ import annotations

import contextlib
import imaplib
import os
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import library_services as services
from bothways.testing import Identity, MutualTLS
from ca.databases import running_cluster
from cli_scripting import Background
from gateway_talk import ANYBODY, Setting
from interop.peers import find
from interop.starttls_servers import running_dovecot, slapd
from processes import free_port

pytestmark = [pytest.mark.network, pytest.mark.interop]


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("starttls")
    (folder / "pki").mkdir()
    with MutualTLS(folder / "pki") as mutual:
        yield Setting(mutual, folder)


@contextlib.contextmanager
def gateway(setting: Setting, starttls: str, port: int, *keys: str) -> Iterator[int]:
    """A gateway in front of a service without TLS; gives its port."""
    text = setting.write("\n".join([f'backend = "127.0.0.1:{port}"', ANYBODY, *keys])).read_text()
    setting.path.write_text(text.replace("port = 0", f'port = 0\nstarttls = "{starttls}"'))
    server = Background(["gateway", "-c", "gateway.toml"], setting.folder)
    try:
        yield int(server.port or "")
    finally:
        server.end()
        assert "Traceback" not in server.printed


def client(setting: Setting, kind: Any = "good") -> Identity:
    """An identity in files, with a key that is readable for us only, as libpq wants it."""
    mine = setting.mutual.identity("client", kind)
    mine.key.chmod(0o600)
    return mine


def python(setting: Setting, kind: str = "good") -> ssl.SSLContext:
    """A context of Python's own `ssl`."""
    mine = client(setting, kind)
    context = ssl.create_default_context(cafile=setting.mutual.ca)
    context.load_cert_chain(mine.cert, mine.key)
    return context


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, input="", capture_output=True, text=True, timeout=30, check=False, env=os.environ | environment
    )


def check_with_openssl(setting: Setting, name: str, port: int) -> None:
    """OpenSSL requests TLS of us by the same name."""
    mine = client(setting)
    seen = run(
        find("openssl"), "s_client", "-connect", f"localhost:{port}", "-starttls", name, "-CAfile",
        str(setting.mutual.ca), "-cert", str(mine.cert), "-key", str(mine.key), "-verify_hostname", "localhost",
    )  # fmt: skip
    assert "Verify return code: 0 (ok)" in seen.stdout, seen.stdout + seen.stderr


# -- PostgreSQL --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def database(setting: Setting) -> Iterator[int]:
    port = free_port()
    settings, access = "listen_addresses = '127.0.0.1'\n", "host all all 127.0.0.1/32 trust\n"
    with running_cluster(settings, access, {}, port), gateway(setting, "postgres", port) as front:
        yield front


def conninfo(setting: Setting, port: int, mine: Identity | None, **more: str) -> dict[str, str]:
    known = {"host": "localhost", "port": str(port), "user": "postgres", "dbname": "postgres"}
    known |= {"sslmode": "verify-full", "sslrootcert": str(setting.mutual.ca), "connect_timeout": "10"}
    if mine is not None:
        known |= {"sslcert": str(mine.cert), "sslkey": str(mine.key)}
    return known | more


def psql(**known: str) -> subprocess.CompletedProcess[str]:
    text = " ".join(f"{key}={value}" for key, value in known.items())
    return run(find("psql"), text, "-Atc", "select 6 * 7")


@pytest.mark.parametrize("mode", ["require", "prefer", "verify-full"])
def test_psql_reaches_a_database_without_tls(setting: Setting, database: int, mode: str) -> None:
    mine = client(setting)
    done = psql(**conninfo(setting, database, mine, sslmode=mode))
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    check_with_openssl(setting, "postgres", database)


def test_psql_is_told_why_it_does_not_reach_it(setting: Setting, database: int) -> None:
    """Without TLS by an error of the protocol; without a certificate, or with a revoked one, by an alert."""
    mine = client(setting)
    without = psql(**conninfo(setting, database, mine, sslmode="disable"))
    assert "FATAL:  TLS is required here: connect with sslmode=verify-full" in without.stderr
    nobody = psql(**conninfo(setting, database, None))
    assert nobody.returncode == 2
    assert "certificate" in nobody.stderr
    revoked = psql(**conninfo(setting, database, client(setting, "revoked")))
    assert "revoked" in revoked.stderr


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_a_newer_libpq_begins_with_tls_at_once(setting: Setting, database: int, negotiation: str) -> None:
    """PostgreSQL 17 and later: `sslnegotiation=direct`, by ALPN."""
    if psycopg.pq.version() < 170000:
        pytest.skip("the libpq of psycopg is older than 17, which has no sslnegotiation")
    mine = client(setting)
    with psycopg.connect(**conninfo(setting, database, mine, sslnegotiation=negotiation)) as connection:
        assert connection.execute("select 6 * 7").fetchone() == (42,)
        assert connection.pgconn.ssl_in_use


# -- SMTP --------------------------------------------------------------------------------------------------


def mail(port: int, context: ssl.SSLContext, words: str) -> None:
    with smtplib.SMTP("localhost", port, timeout=20) as client:
        client.ehlo("me.example")
        assert set(client.esmtp_features) == {"starttls"}
        assert client.docmd("MAIL", "FROM:<a@b.example>")[0] == 530
        client.starttls(context=context)
        client.ehlo("me.example")
        assert "size" in client.esmtp_features, "the reply of the service itself"
        client.sendmail("ada@client.example", ["bob@server.example"], f"Subject: x\r\n\r\n{words}")


def test_smtplib_sends_a_mail_to_a_server_without_tls(setting: Setting) -> None:
    with services.smtp_plain() as behind, gateway(setting, "smtp", behind) as port:
        check_with_openssl(setting, "smtp", port)
        mail(port, python(setting), "without")
        assert services.MAILBOX.messages[-1].endswith(b"without\r\n")
        count = len(services.MAILBOX.messages)
        with pytest.raises((OSError, smtplib.SMTPException)):
            mail(port, python(setting, "revoked"), "never")
        assert len(services.MAILBOX.messages) == count


def test_smtplib_sends_a_mail_to_a_server_that_begins_with_tls(setting: Setting) -> None:
    """The greeting of the service is inside its own TLS there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mine = setting.mutual.identity("server")
    context.load_cert_chain(mine.cert, mine.key)
    keys = ('[route.backend_tls]\nserver_name = "localhost"\nca = "pki/ca.pem"',)
    with services.smtps(context) as behind, gateway(setting, "smtp", behind, *keys) as port:
        mail(port, python(setting), "within")
        assert services.MAILBOX.messages[-1].endswith(b"within\r\n")


# -- IMAP --------------------------------------------------------------------------------------------------


def test_imaplib_reads_a_mailbox_of_dovecot_without_tls(setting: Setting) -> None:
    off = "ssl = no\ndisable_plaintext_auth = no\n"
    with (
        running_dovecot("imap", setting.folder, off) as behind,
        gateway(setting, "imap", behind) as port,
        imaplib.IMAP4("localhost", port, timeout=20) as mailbox,
    ):
        check_with_openssl(setting, "imap", port)
        assert mailbox.capabilities == ("IMAP4REV1", "STARTTLS", "LOGINDISABLED")
        with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
            mailbox.login("ada", "secret")
        mailbox.starttls(python(setting))
        assert "LOGINDISABLED" not in mailbox.capabilities
        assert mailbox.login("ada", "any")[0] == "OK"
        assert mailbox.select("INBOX") == ("OK", [b"0"])


# -- LDAP --------------------------------------------------------------------------------------------------


def test_ldapsearch_asks_slapd_without_tls(setting: Setting) -> None:
    mine = client(setting)
    with slapd(setting.folder) as behind, gateway(setting, "ldap", behind) as port:

        def search(*words: str, who: Identity = mine) -> subprocess.CompletedProcess[str]:
            return run(
                find("ldapsearch"), *words, "-x", "-H", f"ldap://127.0.0.1:{port}", "-b", "", "-s", "base", "+",
                LDAPTLS_CACERT=str(setting.mutual.ca), LDAPTLS_CERT=str(who.cert), LDAPTLS_KEY=str(who.key),
            )  # fmt: skip

        check_with_openssl(setting, "ldap", port)
        done = search("-ZZ")
        assert "namingContexts" in done.stdout or "supportedLDAPVersion: 3" in done.stdout, done.stderr
        assert search().returncode == 13, "confidentialityRequired"
        assert search("-ZZ", who=client(setting, "revoked")).returncode != 0
