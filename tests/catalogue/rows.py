"""The catalogue of real failures: what is wrong, who the peer is, the command that produces it, its true cause.

A row is a claim: whoever meets this failure is told this cause first. `test_catalogue` plays each with the peer;
`page` makes docs/failures.md of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bothways.diagnosis import Cause, Party
from bothways.trust.access import PeerRule
from bothways.trust.revocation import Revocation
from catalogue import people
from catalogue.configurations import HAPROXY, NGINX, STUNNEL
from pair import FrozenClock

OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN
Settings = Mapping[str, Any]


def nothing() -> Settings:
    return {}


@dataclass(frozen=True)
class Row:
    """One failure. `role` is ours; `ours` what we bring, made when it is played.

    setup: the configuration file that the command reads.  asked: the name that we ask for.  says: what is
    typed into the server once we are connected.  patience: seconds that an answer may take.  cut: bytes after which a
    device between us cuts, to the server and to us.
    """

    name: str
    story: str
    role: str
    command: str
    cause: Cause
    party: Party
    ours: Callable[[], Settings] = nothing
    setup: str = ""
    asked: str = "localhost"
    says: str = ""
    patience: float = 8.0
    cut: tuple[int, int] | None = None

    @property
    def program(self) -> str:
        """The program that is run."""
        return self.command.split()[0]

    @property
    def peer(self) -> str:
        """What the peer is called."""
        return PROGRAMS[self.program]


PROGRAMS = {
    "openssl": "OpenSSL",
    "gnutls-serv": "GnuTLS",
    "gnutls-cli": "GnuTLS",
    "go-peer": "Go",
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "stunnel": "stunnel",
    "postgres": "PostgreSQL",
    "curl": "curl",
    "chromium": "Chromium",
    "tlslite-peer": "tlslite-ng",
    "nobody": "nobody",
}

S_SERVER = "openssl s_server -accept 127.0.0.1:PORT -www"
ASKING = "-Verify 2 -verify_return_error -CAfile root.pem"


def s_server(who: str = "server", more: str = "") -> str:
    words = f"{S_SERVER} -cert {who}.pem -key {who}.key -cert_chain {who}.pem {more}"
    return words.strip()


def asking(more: str = "") -> str:
    """A server that requires a client certificate of Acme's."""
    return s_server("server", f"{ASKING} {more}".strip())


def me(name: str, **more: Any) -> Callable[[], Settings]:
    return lambda: {"credentials": people.person(name).credentials} | more


def with_(**settings: Any) -> Callable[[], Settings]:
    return lambda: settings


def clock(days: float) -> FrozenClock:
    return FrozenClock(people.NOW + timedelta(days=days))


def lists(*roots: bytes) -> Revocation:
    return Revocation(crls=people.crls(*roots))


CLIENT, SERVER = "client", "server"

# -- we are the client, and refuse the server ----------------------------------------------------------------
REFUSED_SERVERS = (
    Row("server-of-unknown-ca", "the server's certificate comes from a CA that we do not trust", CLIENT,
        s_server("server-unknown"), Cause.CA_NOT_ACCEPTED, PEERS),
    Row("server-of-unknown-root", "the same, and it sends that CA's root along", CLIENT,
        s_server("server-with-root"), Cause.ROOT_NOT_TRUSTED, PEERS),
    Row("server-without-intermediate", "the server sends its certificate without the intermediate", CLIENT,
        "openssl s_server -accept 127.0.0.1:PORT -www -cert server-alone.pem -key server-alone.key",
        Cause.INTERMEDIATE_MISSING, PEERS),
    Row("server-self-signed", "the server made its certificate itself", CLIENT,
        s_server("server-self-signed"), Cause.SELF_SIGNED, PEERS),
    Row("server-of-a-ca-made-anew",
        "the server's CA was set up again under the same name, and we have the old one", CLIENT,
        s_server("server-anew"), Cause.CA_REPLACED, PEERS),
    Row("server-of-the-sandbox", "we trust the production CA, and this is the sandbox", CLIENT,
        s_server("server-sandbox"), Cause.WRONG_ENVIRONMENT, BETWEEN,
        lambda: {"anchors": people.anchors("Acme Production Root")}),
    Row("server-expired", "the server's certificate has expired", CLIENT,
        s_server("server-expired"), Cause.EXPIRED, PEERS),
    Row("server-of-an-expired-ca", "the server's certificate is in date, and the CA above it is not", CLIENT,
        s_server("server-of-an-expired-ca"), Cause.EXPIRED, PEERS),
    Row("server-of-no-ca", "the server's certificate was issued with a certificate that is no CA's", CLIENT,
        s_server("server-of-no-ca"), Cause.NOT_A_CA, PEERS),
    Row("server-with-a-strange-extension", "the server's certificate has a critical extension of its own", CLIENT,
        s_server("server-strange"), Cause.UNKNOWN_EXTENSION, PEERS),
    Row("server-key-not-for-signing", "the key usage of the server's certificate lacks digitalSignature", CLIENT,
        s_server("server-for-agreement"), Cause.WRONG_KEY_USAGE, PEERS),
    Row("server-not-yet-valid", "the server's certificate begins in three weeks", CLIENT,
        s_server("server-early"), Cause.NOT_YET_VALID, PEERS),
    Row("our-clock-behind", "our clock is two years behind", CLIENT,
        s_server(), Cause.OUR_CLOCK, OURS, lambda: {"clock": clock(-730)} | me("client")()),
    Row("our-clock-ahead", "our clock is ten years ahead", CLIENT,
        s_server(), Cause.OUR_CLOCK, OURS, lambda: {"clock": clock(3650)}),
    Row("server-for-clients", "the server's certificate is for clients alone", CLIENT,
        s_server("server-for-clients"), Cause.WRONG_USE, PEERS),
    Row("server-of-another-name", "the server's certificate is for another host", CLIENT,
        s_server("server-elsewhere"), Cause.WRONG_NAME, PEERS),
    Row("server-by-address", "we connect by an address that its certificate does not have", CLIENT,
        s_server("server-elsewhere"), Cause.WRONG_NAME, PEERS, asked="127.0.0.1"),
    Row("server-with-a-common-name", "the server's certificate has a common name and no alternative name",
        CLIENT,
        s_server("server-common-name"), Cause.NO_ALTERNATIVE_NAME, PEERS),
    Row("server-with-a-weak-key", "the server's RSA key has 1024 bits", CLIENT,
        s_server("server-weak", "-cipher DEFAULT@SECLEVEL=0"), Cause.WEAK_KEY, PEERS),
    Row("server-signed-with-sha-1", "the server's certificate is signed with SHA-1", CLIENT,
        s_server("server-sha1", "-cipher DEFAULT@SECLEVEL=0"), Cause.WEAK_SIGNATURE, PEERS,
        lambda: {"anchors": people.TrustStore([people.old_root().der])}),
    Row("server-with-another-key", "the server's key does not belong to its certificate", CLIENT,
        "tlslite-peer serve PORT server.pem client.key", Cause.KEY_MISMATCH, PEERS),
    Row("server-altered", "the server's certificate was damaged: its signature does not hold", CLIENT,
        s_server("server-altered"), Cause.SIGNATURE_WRONG, PEERS),
    Row("server-must-staple", "the server's certificate must be stapled, and it is not", CLIENT,
        s_server("server-must-staple"), Cause.STAPLE_MISSING, PEERS,
        lambda: {"revocation": Revocation(staples="use", crls=people.crls())}),
    Row("server-revoked", "the server's certificate was revoked", CLIENT,
        s_server("server-revoked"), Cause.REVOKED, PEERS, lambda: {"revocation": lists()}),
    Row("our-list-out-of-date", "the revocation list that we loaded is out of date", CLIENT,
        s_server(), Cause.STATUS_UNKNOWN, OURS,
        lambda: {"revocation": lists(people.root_crl(people.NOW - timedelta(days=1)))}),
    Row("server-below-too-many-cas", "a CA above the server may have no CA below it, and has one", CLIENT,
        s_server("server-deep"), Cause.PATH_TOO_LONG, PEERS),
    Row("server-outside-of-its-cas-names", "the server's CA may issue for acme.example alone", CLIENT,
        s_server("server-outside"), Cause.NAME_NOT_ALLOWED, PEERS),
)  # fmt: skip

# -- we are the client, and the server refuses us --------------------------------------------------------------
REFUSED_CLIENTS = (
    Row("no-certificate-13",
        "the server requires a certificate, and we have none; in TLS 1.3 we learn it after the handshake",
        CLIENT,
        asking(), Cause.NO_CERTIFICATE, OURS),
    Row("no-certificate-12", "the same in TLS 1.2, where the alert is a bare handshake_failure", CLIENT,
        asking("-tls1_2"), Cause.NO_CERTIFICATE, OURS),
    Row("no-certificate-go", "the same with another server", CLIENT,
        "go-peer -listen -addr 127.0.0.1:PORT -cert server.pem -key server.key -ca root.pem -auth require",
        Cause.NO_CERTIFICATE, OURS),
    Row("no-certificate-go-12", "the same in TLS 1.2, where it says bad_certificate", CLIENT,
        "go-peer -listen -addr 127.0.0.1:PORT -cert server.pem -key server.key -ca root.pem -auth "
        "require -tls12", Cause.NO_CERTIFICATE, OURS),
    Row("no-certificate-gnutls", "the same with another server", CLIENT,
        "gnutls-serv -p PORT --http --x509certfile server.pem --x509keyfile server.key --x509cafile "
        "root.pem --require-client-cert", Cause.NO_CERTIFICATE, OURS),
    Row("no-certificate-haproxy", "the same with another server", CLIENT,
        "haproxy -f required.cfg", Cause.NO_CERTIFICATE, OURS, setup=HAPROXY["required"]),
    Row("no-certificate-nginx", "the handshake passes, and the answer is HTTP 400", CLIENT,
        "nginx -p . -c required.conf", Cause.NO_CERTIFICATE, OURS, setup=NGINX["required"]),
    Row("client-of-unknown-ca", "our certificate comes from a CA that the server does not name", CLIENT,
        asking(), Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown")),
    Row("client-of-unknown-ca-12", "the same in TLS 1.2", CLIENT,
        asking("-tls1_2"), Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown")),
    Row("client-of-unknown-ca-go", "the same with another server", CLIENT,
        "go-peer -listen -addr 127.0.0.1:PORT -cert server.pem -key server.key -ca root.pem -auth require",
        Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown")),
    Row("client-of-unknown-ca-gnutls", "the same with another server", CLIENT,
        "gnutls-serv -p PORT --http --x509certfile server.pem --x509keyfile server.key --x509cafile root.pem "
        "--require-client-cert --verify-client-cert", Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown")),
    Row("client-of-unknown-ca-nginx", "the same: the handshake passes, and the answer is HTTP 400", CLIENT,
        "nginx -p . -c required.conf", Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown"), NGINX["required"]),
    Row("client-of-unknown-ca-haproxy", "the same with another server", CLIENT,
        "haproxy -f required.cfg", Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown"), HAPROXY["required"]),
    Row("client-of-unknown-ca-stunnel", "the same with another server", CLIENT,
        "stunnel verify.conf", Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown"), STUNNEL["verify"]),
    Row("client-without-intermediate", "we send our certificate without the intermediate", CLIENT,
        asking(), Cause.INTERMEDIATE_MISSING, OURS, me("client-alone")),
    Row("client-self-signed", "our certificate is self-signed", CLIENT,
        asking(), Cause.SELF_SIGNED, OURS, me("client-self-signed")),
    Row("client-of-the-sandbox", "our certificate is for the sandbox, and this is production", CLIENT,
        s_server("server", "-Verify 2 -verify_return_error -CAfile production.pem"), Cause.WRONG_ENVIRONMENT,
        OURS, me("client-sandbox")),
    Row("client-of-a-ca-made-anew",
        "our CA was set up again under the same name, and the server has the old one", CLIENT,
        asking(), Cause.CA_REPLACED, OURS, me("client-anew")),
    Row("client-expired", "our certificate has expired", CLIENT,
        asking(), Cause.EXPIRED, OURS, me("client-expired")),
    Row("client-expired-go", "the same with another server", CLIENT,
        "go-peer -listen -addr 127.0.0.1:PORT -cert server.pem -key server.key -ca root.pem -auth require",
        Cause.EXPIRED, OURS, me("client-expired")),
    Row("client-not-yet-valid", "our certificate begins in three weeks; the alert is bad_certificate", CLIENT,
        asking(), Cause.NOT_YET_VALID, OURS, me("client-early")),
    Row("client-for-servers", "our certificate is for servers alone, as those of public CAs are", CLIENT,
        asking(), Cause.WRONG_USE, OURS, me("client-for-servers")),
    Row("client-for-servers-12", "the same in TLS 1.2", CLIENT,
        asking("-tls1_2"), Cause.WRONG_USE, OURS, me("client-for-servers")),
    Row("client-revoked", "our certificate was revoked, and the server has the list", CLIENT,
        asking("-CRL crl.pem -crl_check"), Cause.REVOKED, OURS, me("client-revoked")),
    Row("server-without-list",
        "the server checks revocation and has no list of our CA; the alert is unknown_ca", CLIENT,
        asking("-crl_check"), Cause.STATUS_UNKNOWN, PEERS, me("client")),
    Row("servers-clock-ahead", "the server's clock is a year ahead", CLIENT,
        asking("-attime $(date +%s -d '+1 year')"), Cause.PEERS_CLOCK, PEERS, me("client")),
    Row("servers-clock-behind",
        "our certificate was issued an hour ago, and the server's clock is two hours behind", CLIENT,
        asking("-attime $(date +%s -d '-2 hours')"), Cause.PEERS_CLOCK, PEERS, me("client-fresh")),
    Row("client-with-a-weak-key", "our RSA key has 1024 bits", CLIENT,
        asking(), Cause.WEAK_KEY, OURS, me("client-weak")),
    Row("client-signed-with-sha-1", "our certificate is signed with SHA-1", CLIENT,
        s_server("server", "-Verify 2 -verify_return_error -CAfile old-root.pem"), Cause.WEAK_SIGNATURE, OURS,
        me("client-sha1")),
    Row("client-of-an-expired-ca", "our certificate is in date, and the CA above it is not", CLIENT,
        asking(), Cause.EXPIRED, OURS, me("client-of-an-expired-ca")),
    Row("client-below-too-many-cas", "a CA above us may have no CA below it, and has one", CLIENT,
        asking(), Cause.PATH_TOO_LONG, OURS, me("client-deep")),
    Row("client-key-not-accepted",
        "our key is Ed25519, and the server accepts ECDSA and RSA alone; nothing was sent", CLIENT,
        asking("-client_sigalgs ECDSA+SHA256:RSA-PSS+SHA256"), Cause.NO_SHARED_SCHEME, OURS,
        me("client-ed25519")),
    Row("client-with-two-wrong-ones",
        "we have two certificates, neither of a CA that the server names; none was sent", CLIENT,
        asking(), Cause.CERTIFICATE_WITHHELD, OURS,
        lambda: {"credentials": [people.person(name).credentials for name in ("client-unknown", "client-second")]}),
    Row("client-not-on-the-list",
        "our certificate is good, and we are not on the server's list; it closes without a word", CLIENT,
        "haproxy -f ada-alone.cfg", Cause.NOT_LET_IN, OURS, me("client-bob"), HAPROXY["ada alone"]),
    Row("client-not-pinned", "our certificate is good, and the server knows its own copies alone", CLIENT,
        "stunnel pinned.conf", Cause.NOT_LET_IN, OURS, me("client-bob"), STUNNEL["pinned"]),
    Row("client-forbidden", "our certificate is good, and this page is not for us: HTTP 403", CLIENT,
        "nginx -p . -c forbidden.conf", Cause.NOT_LET_IN, OURS, me("client-bob"), NGINX["forbidden"]),
    Row("certificate-wanted-later", "the server does not ask in the handshake, and answers HTTP 403", CLIENT,
        "nginx -p . -c unasked.conf", Cause.WANTS_CERTIFICATE_LATER, PEERS, me("client"), NGINX["unasked"]),
    Row("certificate-wanted-by-renegotiation",
        "the server wants a certificate in a second handshake of TLS 1.2, then gives up", CLIENT,
        s_server("server", "-tls1_2 -CAfile root.pem").replace(" -www", ""), Cause.WANTS_CERTIFICATE_LATER,
        PEERS, me("client"), says="R\n", patience=2.0),
    Row("postgresql-without-certificate", "the database requires a certificate, and we have none", CLIENT,
        "postgres -D data", Cause.NO_CERTIFICATE, OURS),
    Row("postgresql-of-another-name", "clientcert=verify-full: our certificate names bob, and we are ada",
        CLIENT,
        "postgres -D data", Cause.NOT_LET_IN, OURS, me("client-bob")),
)  # fmt: skip

# -- the hellos -------------------------------------------------------------------------------------------------
HELLOS = (
    Row("no-shared-version", "we speak TLS 1.3 alone, and the server TLS 1.2", CLIENT,
        s_server("server", "-tls1_2"), Cause.NO_SHARED_VERSION, OURS, with_(versions=("1.3",))),
    Row("server-of-tls-1-0", "the server has TLS 1.0 alone", CLIENT,
        s_server("server", "-tls1 -cipher DEFAULT@SECLEVEL=0"), Cause.NO_SHARED_VERSION, PEERS),
    Row("no-shared-suite", "the server has one suite alone, and it is none of ours", CLIENT,
        s_server("server", "-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256"), Cause.NO_SHARED_SUITE, OURS,
        with_(suites=("TLS_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"))),
    Row("no-shared-group", "the server has P-521 alone, and we x25519", CLIENT,
        s_server("server", "-groups P-521"), Cause.NO_SHARED_GROUP, OURS, with_(groups=("x25519",))),
    Row("no-shared-scheme", "the server has an ECDSA key, and we accept RSA alone", CLIENT,
        s_server(), Cause.NO_SHARED_SCHEME, PEERS, with_(schemes=("rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"))),
    Row("server-of-key-transport", "the server has suites of RSA key transport alone", CLIENT,
        s_server("server-rsa", "-tls1_2 -cipher AES128-GCM-SHA256:AES128-SHA"), Cause.ONLY_KEY_TRANSPORT, OURS),
    Row("server-without-extended-main-secret", "the server's TLS 1.2 lacks the extended main secret", CLIENT,
        "tlslite-peer serve PORT server.pem server.key --without-ems", Cause.NO_EXTENDED_MAIN_SECRET, PEERS),
    Row("no-shared-protocol", "the server speaks h2 alone, and we do not", CLIENT,
        s_server("server", "-alpn h2"), Cause.NO_SHARED_PROTOCOL, OURS, with_(alpn=("echo",))),
    Row("name-not-served", "the server has no certificate for the name that we ask for", CLIENT,
        s_server("server", "-servername acme.example -servername_fatal -cert2 server.pem -key2 server.key"),
        Cause.NAME_NOT_SERVED, OURS),
    Row("name-not-served-nginx", "the same with another server", CLIENT,
        "nginx -p . -c names.conf", Cause.NAME_NOT_SERVED, OURS, setup=NGINX["names"]),
    Row("no-name-asked", "the server chooses by name, and we connect by address", CLIENT,
        "nginx -p . -c names.conf", Cause.NO_NAME_SENT, OURS, setup=NGINX["names"], asked="127.0.0.1"),
)  # fmt: skip

# -- something else than TLS, and what the network does -------------------------------------------------------
WIRE = (
    Row("nothing-listens", "nothing listens on the port", CLIENT,
        "nobody", Cause.NOTHING_LISTENS, PEERS),
    Row("plain-http", "the server speaks plain HTTP on this port", CLIENT,
        "nginx -p . -c plain.conf", Cause.SPEAKS_HTTP, PEERS, setup=NGINX["plain"]),
    Row("ssh", "an SSH server listens there", CLIENT,
        "haproxy -f ssh.cfg", Cause.SPEAKS_SSH, PEERS, setup=HAPROXY["ssh"]),
    Row("smtp", "a mail server listens there, which wants STARTTLS", CLIENT,
        "haproxy -f smtp.cfg", Cause.SPEAKS_MAIL, PEERS, setup=HAPROXY["smtp"]),
    Row("database", "PostgreSQL listens there, which wants its own greeting before TLS", CLIENT,
        "postgres -D data", Cause.SPEAKS_PLAIN, PEERS),
    Row("silent", "the service accepts and never answers", CLIENT,
        "haproxy -f silent.cfg", Cause.PEER_SILENT, PEERS, with_(handshake_timeout=0.5), HAPROXY["silent"]),
    Row("cut-at-the-hello", "the line is cut when our hello comes", CLIENT,
        s_server(), Cause.SPEAKS_PLAIN, PEERS, cut=(1, 10 ** 9)),
    Row("cut-in-the-servers-flight", "the line is cut in the middle of the server's certificate", CLIENT,
        s_server(), Cause.PEER_STOPPED, PEERS, cut=(10 ** 9, 500)),
    Row("cut-after-our-certificate", "something closes the line when our certificate comes, without a word",
        CLIENT,
        asking(), Cause.NOT_LET_IN, OURS, me("client"), cut=(-20, 10 ** 9)),
    Row("cut-in-the-data", "the line is cut in the middle of the answer", CLIENT,
        s_server("server", "-CAfile root.pem"), Cause.PEER_STOPPED, PEERS, cut=(10 ** 9, 3000)),
    Row("backend-down", "TLS succeeds, and the proxy has nobody to pass us on to", CLIENT,
        "stunnel dead.conf", Cause.PEER_STOPPED, PEERS, setup=STUNNEL["dead"]),
)  # fmt: skip

# -- we are the server -------------------------------------------------------------------------------------------
CURL = "curl -s -S --max-time 5 --cacert root.pem"
S_CLIENT = (
    "openssl s_client -connect localhost:PORT -servername localhost -CAfile root.pem -verify_return_error"
)


def showing(who: str) -> str:
    return f"{CURL} --cert {who}.pem --key {who}.key https://localhost:PORT/"


SERVED = (
    Row("caller-without-certificate", "the client has no certificate", SERVER,
        f"{CURL} https://localhost:PORT/", Cause.NO_CERTIFICATE, PEERS),
    Row("caller-without-certificate-go", "the same with another client", SERVER,
        "go-peer -addr 127.0.0.1:PORT -ca root.pem", Cause.NO_CERTIFICATE, PEERS),
    Row("caller-withholds", "the client has a certificate of a CA that we do not name, and sends none", SERVER,
        "go-peer -addr 127.0.0.1:PORT -ca root.pem -cert client-unknown.pem -key client-unknown.key",
        Cause.NO_CERTIFICATE, PEERS),
    Row("caller-of-unknown-ca", "the client's certificate comes from a CA that we do not trust", SERVER,
        showing("client-unknown"), Cause.CA_NOT_ACCEPTED, PEERS),
    Row("caller-without-intermediate", "the client sends its certificate without the intermediate", SERVER,
        showing("client-alone"), Cause.INTERMEDIATE_MISSING, PEERS),
    Row("caller-expired", "the client's certificate has expired", SERVER,
        showing("client-expired"), Cause.EXPIRED, PEERS),
    Row("caller-for-servers", "the client's certificate is for servers alone", SERVER,
        showing("client-for-servers"), Cause.WRONG_USE, PEERS),
    Row("caller-revoked", "the client's certificate was revoked", SERVER,
        showing("client-revoked"), Cause.REVOKED, PEERS, lambda: {"revocation": lists()}),
    Row("caller-not-allowed", "the client's certificate is good, and our rules let another client in", SERVER,
        showing("client-bob"), Cause.NOT_LET_IN, PEERS, with_(allow=PeerRule(cn="ada"))),
    Row("caller-with-a-weak-key", "the client's RSA key has 1024 bits", SERVER,
        f"{S_CLIENT} -cert client-weak.pem -key client-weak.key -cert_chain client-weak.pem -cipher DEFAULT@SECLEVEL=0",
        Cause.WEAK_KEY, PEERS),
    Row("our-certificate-of-unknown-ca", "the client does not trust our CA", SERVER,
        f"{CURL} https://localhost:PORT/", Cause.CA_NOT_ACCEPTED, OURS,
        me("server-unknown", client_auth="none")),
    Row("our-certificate-of-unknown-ca-go", "the same with another client", SERVER,
        "go-peer -addr 127.0.0.1:PORT -ca root.pem", Cause.CA_NOT_ACCEPTED, OURS,
        me("server-unknown", client_auth="none")),
    Row("our-chain-without-intermediate", "we send our certificate without the intermediate", SERVER,
        f"{CURL} https://localhost:PORT/", Cause.INTERMEDIATE_MISSING, OURS,
        me("server-alone", client_auth="none")),
    Row("our-certificate-expired", "our certificate has expired", SERVER,
        f"{CURL} https://localhost:PORT/", Cause.EXPIRED, OURS, me("server-expired", client_auth="none")),
    Row("our-certificate-for-another-name", "the client asks for a name that our certificate does not have",
        SERVER,
        f"{S_CLIENT} -verify_hostname localhost", Cause.WRONG_NAME, OURS,
        me("server-elsewhere", client_auth="none")),
    Row("our-certificate-without-names", "our certificate has a common name and no alternative name", SERVER,
        "go-peer -addr 127.0.0.1:PORT -ca root.pem", Cause.NO_ALTERNATIVE_NAME, OURS,
        me("server-common-name", client_auth="none")),
    Row("our-certificate-for-clients", "our certificate is for clients alone", SERVER,
        f"{CURL} https://localhost:PORT/", Cause.WRONG_USE, OURS, me("server-for-clients", client_auth="none")),
    Row("caller-with-another-key", "the client's key does not belong to its certificate", SERVER,
        "tlslite-peer call PORT client.pem server.key", Cause.KEY_MISMATCH, PEERS),
    Row("caller-without-extended-main-secret", "the client's TLS 1.2 lacks the extended main secret", SERVER,
        "tlslite-peer call PORT client.pem client.key --without-ems", Cause.NO_EXTENDED_MAIN_SECRET, PEERS),
    Row("our-certificate-of-unknown-ca-gnutls", "the client does not trust our CA", SERVER,
        "gnutls-cli --x509cafile root.pem -p PORT localhost", Cause.CA_NOT_ACCEPTED, OURS,
        me("server-unknown", client_auth="none")),
    Row("our-certificate-in-a-browser", "a browser does not know our CA; its alert is certificate_unknown", SERVER,
        "chromium --headless --no-sandbox --disable-gpu --user-data-dir=profile https://localhost:PORT/",
        Cause.CA_NOT_ACCEPTED, OURS, me("server-unknown", client_auth="none"), patience=30.0),
    Row("caller-of-tls-1-1", "the client has TLS 1.1 at most", SERVER,
        f"{S_CLIENT} -tls1_1 -cipher DEFAULT@SECLEVEL=0", Cause.NO_SHARED_VERSION, PEERS,
        with_(client_auth="none")),
    Row("caller-of-key-transport", "the client offers RSA key transport alone", SERVER,
        f"{S_CLIENT} -tls1_2 -cipher AES128-GCM-SHA256:AES128-SHA", Cause.ONLY_KEY_TRANSPORT, PEERS,
        me("server-rsa", client_auth="none")),
    Row("caller-of-cbc", "the client offers suites with CBC alone", SERVER,
        f"{S_CLIENT} -tls1_2 -cipher ECDHE-ECDSA-AES128-SHA", Cause.NO_SHARED_SUITE, PEERS,
        with_(client_auth="none")),
    Row("caller-of-another-group", "the client offers P-521 alone, and we accept x25519", SERVER,
        f"{S_CLIENT} -groups P-521", Cause.NO_SHARED_GROUP, PEERS,
        with_(client_auth="none", groups=("x25519",))),
    Row("caller-of-another-scheme", "the client accepts RSA signatures alone, and our key is ECDSA", SERVER,
        f"{S_CLIENT} -sigalgs RSA-PSS+SHA256:RSA+SHA256", Cause.NO_SHARED_SCHEME, OURS,
        with_(client_auth="none")),
    Row("caller-of-another-protocol", "the client wants h2, and we do not speak it", SERVER,
        f"{S_CLIENT} -alpn h2", Cause.NO_SHARED_PROTOCOL, PEERS, with_(client_auth="none", alpn=("echo",))),
    Row("caller-for-another-host", "the client asks for a host that we do not serve", SERVER,
        f"{S_CLIENT} -servername acme.example", Cause.NAME_NOT_SERVED, PEERS,
        with_(client_auth="none", unknown_server_name="refuse")),
    Row("caller-that-renegotiates", "the client begins a second handshake on the same connection", SERVER,
        f"{S_CLIENT} -tls1_2", Cause.WANTS_RENEGOTIATION, PEERS, with_(client_auth="none"), says="R\n"),
    Row("caller-in-plain-http", "the client speaks http:// to our https:// port", SERVER,
        "curl -s -S --max-time 5 http://localhost:PORT/", Cause.HTTP_CLIENT, PEERS),
    Row("caller-behind-a-proxy", "the load balancer sends the header of the PROXY protocol", SERVER,
        f"{CURL} --haproxy-protocol https://localhost:PORT/", Cause.PROXY_HEADER, PEERS),
    Row("caller-that-looks", "somebody connects, looks whether we listen, and leaves", SERVER,
        "curl -s --max-time 0.2 telnet://localhost:PORT", Cause.PROBE, PEERS),
)  # fmt: skip

CATALOGUE = (*REFUSED_SERVERS, *REFUSED_CLIENTS, *HELLOS, *WIRE, *SERVED)
