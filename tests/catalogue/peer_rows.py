"""Rows of the catalogue with Apache, MariaDB, Dovecot, OpenLDAP, Node.js, Java and gRPC, servers and clients."""

from __future__ import annotations

from bothways import ExternalPSK, ExternalPSKs, PinnedKeys, RawKeyCredentials
from bothways.diagnosis import Cause
from bothways.trust.anchors import NO_ANCHORS
from catalogue import people
from catalogue.configurations import STUNNEL_CALLS
from catalogue.more_configurations import APACHE, DOVECOT, PROSODY, SLAPD, bridging, checking
from catalogue.prepared import (
    HTTP2,
    HTTP2_REQUEST,
    IMAP_LOGIN,
    IMAP_WRONG_LOGIN,
    LDAP_SEARCH,
    PSK_OTHER_SECRET,
    PSK_SECRET,
    ask_mysql_for_tls,
    mysql_login,
)
from catalogue.row import CLIENT, CURL, OURS, PEERS, SERVER, Row, me, showing, with_

MARIADB = (
    "mariadbd --no-defaults --user=root --datadir=FOLDER/db --bind-address=127.0.0.1 --port=PORT "
    "--socket=FOLDER/db.sock --pid-file=FOLDER/db.pid --skip-log-bin --innodb-buffer-pool-size=8M "
    "--init-file=FOLDER/users.sql --ssl-cert=FOLDER/server.pem --ssl-key=FOLDER/server.key --ssl-ca=FOLDER/root.pem"
)
ADA = mysql_login(b"ada")
DOVECOTS = "dovecot -F -c dovecot.conf"
SLAPDS = "slapd -h ldaps://127.0.0.1:PORT/ -f slapd.conf -d 0"
NODE = "node peer.js serve PORT server.pem server.key root.pem"
JAVA = "java -XX:TieredStopAtLevel=1 Peer serve PORT server.pem server.key root.pem"
GRPC = "python3 grpc_peer.py serve PORT server.pem server.key root.pem"


def apache(name: str) -> str:
    return f"apache2 -X -d . -f {name}.conf"


APACHES = (
    Row("no-certificate-apache", "Apache requires a certificate, and we have none", CLIENT,
        apache("required"), Cause.NO_CERTIFICATE, OURS, setup=APACHE["required"]),
    Row("client-of-unknown-ca-apache", "our certificate comes from a CA that Apache does not name", CLIENT,
        apache("required"), Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown"), APACHE["required"]),
    Row("apache-behind-a-balancer", "Apache expects the header of the PROXY protocol; a probe tells", CLIENT,
        apache("balancer"), Cause.WANTS_PROXY_HEADER, PEERS, setup=APACHE["behind a balancer"], probe=True),
    Row("no-certificate-apache-optional", "Apache asks for a certificate optionally, and we have none: HTTP 403",
        CLIENT, apache("optional"), Cause.NO_CERTIFICATE, OURS, setup=APACHE["optional"]),
    Row("client-of-unknown-ca-apache-optional",
        "Apache asks for a certificate optionally, and ours is of a CA that it does not name: HTTP 403", CLIENT,
        apache("optional"), Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown"), APACHE["optional"]),
    Row("certificate-wanted-later-apache",
        "Apache wants a certificate for this path alone, after the handshake: HTTP 403", CLIENT,
        apache("later"), Cause.WANTS_CERTIFICATE_LATER, PEERS, me("client"), APACHE["later"]),
    Row("certificate-wanted-later-in-http-2",
        "Apache wants a certificate for this path alone, for which HTTP/2 has no means: HTTP_1_1_REQUIRED", CLIENT,
        apache("later2"), Cause.HTTP1_REQUIRED, OURS, with_(alpn=("h2",)), APACHE["later in HTTP/2"],
        request=HTTP2_REQUEST, also=(Cause.WANTS_CERTIFICATE_LATER,)),
    Row("client-not-on-apaches-list", "our certificate is good, and Apache lets ada in alone: HTTP 403", CLIENT,
        apache("ada"), Cause.NOT_LET_IN, OURS, me("client-bob"), APACHE["ada alone"]),
    Row("client-too-deep-for-apache", "Apache's SSLVerifyDepth is 1, and our chain has an intermediate", CLIENT,
        apache("depth"), Cause.DEPTH_LIMIT, PEERS, me("client"), APACHE["depth"]),
)  # fmt: skip

DATABASES = (
    Row("mariadb", "MariaDB listens there, which says its own greeting before TLS", CLIENT,
        MARIADB, Cause.SPEAKS_DATABASE, PEERS),
    Row("no-certificate-mariadb", "the database lets in nobody without a certificate, and we have none", CLIENT,
        MARIADB, Cause.NO_CERTIFICATE, OURS, before=ask_mysql_for_tls,
        starttls="mysql", request=ADA),
    Row("client-of-unknown-ca-mariadb", "our certificate is of a CA that MariaDB does not accept", CLIENT,
        MARIADB, Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown"), before=ask_mysql_for_tls,
        starttls="mysql", request=ADA),
    Row("client-not-let-in-by-mariadb", "REQUIRE SUBJECT: our certificate names ada, and we are carl", CLIENT,
        MARIADB, Cause.NOT_LET_IN, OURS, me("client"), before=ask_mysql_for_tls,
        starttls="mysql", request=mysql_login(b"carl")),
)  # fmt: skip

DIRECTORIES = (
    Row("no-certificate-dovecot", "the mail server lets in nobody without a certificate, and we have none", CLIENT,
        DOVECOTS, Cause.NO_CERTIFICATE, OURS, setup=DOVECOT["required"], request=IMAP_LOGIN),
    Row("client-expired-dovecot", "our certificate has expired, and the mail server says that there is none", CLIENT,
        DOVECOTS, Cause.EXPIRED, OURS, me("client-expired"), DOVECOT["required"], request=IMAP_LOGIN),
    Row("password-wanted-by-dovecot", "our certificate is good, and our password is wrong", CLIENT,
        DOVECOTS, Cause.WANTS_LOGIN, OURS, me("client"), DOVECOT["required"], request=IMAP_WRONG_LOGIN),
    Row("ldap-in-the-clear", "OpenLDAP listens there, and changes to TLS on request alone", CLIENT,
        "slapd -h ldap://127.0.0.1:PORT/ -f never.conf -d 0", Cause.SPEAKS_LDAP, PEERS, setup=SLAPD["never"],
        probe=True, request=LDAP_SEARCH),
    Row("xmpp-in-the-clear", "Prosody listens there, which changes to TLS on request alone", CLIENT,
        "prosody --config FOLDER/prosody.cfg.lua -F", Cause.SPEAKS_XMPP, PEERS, setup=PROSODY),
    Row("no-certificate-slapd", "OpenLDAP requires a certificate, and we have none", CLIENT,
        SLAPDS, Cause.NO_CERTIFICATE, OURS, setup=SLAPD["demand"], request=LDAP_SEARCH),
    Row("client-of-unknown-ca-slapd", "our certificate is of a CA that OpenLDAP does not accept; it closes", CLIENT,
        SLAPDS, Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown"), SLAPD["demand"], request=LDAP_SEARCH),
    Row("password-wanted-by-slapd", "our certificate is good, and OpenLDAP wants a password as well", CLIENT,
        "slapd -h ldaps://127.0.0.1:PORT/ -f login.conf -d 0", Cause.WANTS_LOGIN, OURS, me("client"), SLAPD["login"],
        request=LDAP_SEARCH),
)  # fmt: skip

RAW_KEYS = "--priority NORMAL:-VERS-ALL:+VERS-TLS1.3:-CTYPE-ALL:+CTYPE-SRV-RAWPK:+CTYPE-CLI-RAWPK"
OF_ANOTHER = PinnedKeys.from_digests(["ab" * 32])
KEYS = (
    Row("server-with-an-unpinned-key", "the server's raw public key is another than the one that we pin", CLIENT,
        f"gnutls-serv -p PORT --http --rawpkfile server.pub --rawpkkeyfile server.key {RAW_KEYS}",
        Cause.KEY_NOT_PINNED, PEERS, with_(pins=OF_ANOTHER)),
    Row("caller-with-an-unpinned-key", "the client's raw public key is another than the one that we pin", SERVER,
        f"gnutls-cli --rawpkfile client.pub --rawpkkeyfile client.key --insecure {RAW_KEYS} -p PORT localhost",
        Cause.KEY_NOT_PINNED, PEERS,
        lambda: {"client_pins": OF_ANOTHER, "raw_key": RawKeyCredentials(people.person("server").issued.key)}),
    Row("caller-of-certificates", "the client has a certificate, and we pin raw public keys alone", SERVER,
        f"{CURL} https://localhost:PORT/", Cause.OTHER_KIND_OF_IDENTITY, PEERS,
        with_(client_anchors=None, client_pins=OF_ANOTHER)),
)  # fmt: skip


def plain_key(own: str, peer: str, identity: str = "k-7f3a") -> ExternalPSKs:
    secret = bytes.fromhex(PSK_SECRET)
    return ExternalPSKs(
        [ExternalPSK(identity=identity, secret=secret, own=own, peer=peer, insecure_without_importer=True)]
    )


ONLY_KEYS = {"psk_peers": plain_key("localhost", "client.example"), "client_anchors": None, "credentials": ()}
PSKS = (
    Row("server-with-another-psk", "the server has another pre-shared key under the same identity", CLIENT,
        f"openssl s_server -accept 127.0.0.1:PORT -www -nocert -tls1_3 -psk_identity k-7f3a -psk {PSK_OTHER_SECRET}",
        Cause.PSK_NOT_SHARED, OURS,
        with_(psk_peers=plain_key("client.example", "localhost"), anchors=NO_ANCHORS)),
    Row("caller-with-another-psk", "the client has another pre-shared key under the same identity", SERVER,
        f"openssl s_client -connect localhost:PORT -tls1_3 -psk_identity k-7f3a -psk {PSK_OTHER_SECRET}",
        Cause.PSK_NOT_SHARED, PEERS, with_(**ONLY_KEYS)),
    Row("caller-with-an-unknown-psk", "we have no pre-shared key of this client", SERVER,
        f"openssl s_client -connect localhost:PORT -tls1_3 -psk_identity k-0000 -psk {PSK_SECRET}",
        Cause.PSK_NOT_SHARED, PEERS, with_(**ONLY_KEYS)),
)  # fmt: skip

RUNTIMES = (
    Row("no-certificate-node", "Node.js requires a certificate, and we have none", CLIENT,
        NODE, Cause.NO_CERTIFICATE, OURS),
    Row("client-of-unknown-ca-node", "our certificate is of a CA that Node.js does not accept; it closes", CLIENT,
        NODE, Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown")),
    Row("told-of-unknown-ca-by-node", "Node.js lets us in, and answers 403 with a code: our CA is unknown", CLIENT,
        f"env ANSWERS=1 {NODE}", Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown")),
    Row("told-expired-by-node", "Node.js lets us in, and answers 403 with a code: our certificate has expired", CLIENT,
        f"env ANSWERS=1 {NODE}", Cause.EXPIRED, OURS, me("client-expired")),
    Row("told-revoked-by-node", "Node.js lets us in, and answers 403 with a code: our certificate is revoked", CLIENT,
        f"env ANSWERS=1 CRL=crl.pem {NODE}", Cause.REVOKED, OURS, me("client-revoked")),
    Row("told-of-an-old-list-by-node", "Node.js lets us in, and answers 403 with a code: its CRL is old", CLIENT,
        f"env ANSWERS=1 CRL=expired-crl.pem {NODE}", Cause.STATUS_UNKNOWN, PEERS, me("client")),
    Row("no-certificate-java", "Java requires a certificate, and we have none", CLIENT,
        JAVA, Cause.NO_CERTIFICATE, OURS),
    Row("client-of-unknown-ca-java", "our certificate is of a CA that Java does not accept: certificate_unknown",
        CLIENT, JAVA, Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown")),
    Row("client-expired-java", "our certificate has expired, which Java tells by certificate_unknown", CLIENT,
        JAVA, Cause.EXPIRED, OURS, me("client-expired")),
    Row("no-certificate-grpc", "gRPC requires a certificate, and we have none; it closes", CLIENT,
        GRPC, Cause.NO_CERTIFICATE, OURS, with_(alpn=("h2",)), request=HTTP2),
    Row("client-of-unknown-ca-grpc", "our certificate is of a CA that gRPC does not accept; it closes", CLIENT,
        GRPC, Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown", alpn=("h2",)), request=HTTP2),
    Row("no-protocol-grpc-with-a-certificate", "gRPC speaks h2 alone; we hold a certificate, and offer no protocol",
        CLIENT, GRPC, Cause.NO_SHARED_PROTOCOL, OURS, me("client")),
    Row("no-protocol-grpc", "gRPC speaks h2 alone, and we offer no application protocol", CLIENT,
        "python3 grpc_peer.py serve PORT server.pem server.key -", Cause.NO_SHARED_PROTOCOL, OURS),
)  # fmt: skip

CALLERS = (
    Row("our-certificate-of-unknown-ca-by-address",
        "Node.js calls us by address, which our certificate has, and does not trust our CA", SERVER,
        "env BY_ADDRESS=1 node peer.js call PORT - - root.pem", Cause.CA_NOT_ACCEPTED, OURS,
        me("server-unknown", client_auth="none")),
    Row("caller-of-unknown-ca-node", "Node.js has a certificate of a CA that we do not trust", SERVER,
        "node peer.js call PORT client-unknown.pem client-unknown.key root.pem", Cause.CA_NOT_ACCEPTED, PEERS),
    Row("our-certificate-of-unknown-ca-node", "Node.js does not trust our CA, and closes without a word", SERVER,
        "node peer.js call PORT - - root.pem", Cause.CA_NOT_ACCEPTED, OURS, me("server-unknown", client_auth="none")),
    Row("caller-without-certificate-java", "Java has no certificate", SERVER,
        "java Peer call PORT - - root.pem", Cause.NO_CERTIFICATE, PEERS),
    Row("our-certificate-for-another-name-java",
        "Java finds another name in our certificate; it asked for none, and says certificate_unknown", SERVER,
        "java Peer call PORT - - root.pem", Cause.WRONG_NAME, OURS, me("server-elsewhere", client_auth="none")),
    Row("caller-expired-grpc", "gRPC has a certificate that has expired", SERVER,
        "python3 grpc_peer.py call PORT client-expired.pem client-expired.key root.pem", Cause.EXPIRED, PEERS,
        with_(alpn=("h2",))),
    Row("our-certificate-of-unknown-ca-grpc", "gRPC does not trust our CA, and closes without a word", SERVER,
        "python3 grpc_peer.py call PORT - - root.pem", Cause.CA_NOT_ACCEPTED, OURS,
        me("server-unknown", client_auth="none", alpn=("h2",))),
    Row("our-certificate-of-unknown-ca-redis", "redis-cli does not trust our CA", SERVER,
        "redis-cli --tls --cacert root.pem -h localhost -p PORT PING", Cause.CA_NOT_ACCEPTED, OURS,
        me("server-unknown", client_auth="none")),
    Row("caller-without-certificate-ldap", "an LDAP client has no certificate", SERVER,
        "env LDAPTLS_CACERT=root.pem ldapsearch -x -H ldaps://127.0.0.1:PORT -b dc=acme", Cause.NO_CERTIFICATE, PEERS),
    Row("our-certificate-expired-ldap", "our certificate has expired, by an LDAP client: it closes", SERVER,
        "env LDAPTLS_CACERT=root.pem ldapsearch -x -H ldaps://127.0.0.1:PORT -b dc=acme", Cause.EXPIRED, OURS,
        me("server-expired", client_auth="none")),
    Row("caller-of-unknown-ca-mosquitto", "a broker that bridges to us has a certificate of a CA that we do not trust",
        SERVER, "mosquitto -c bridge.conf", Cause.CA_NOT_ACCEPTED, PEERS, setup=bridging("client-unknown")),
    Row("our-certificate-for-another-name-mosquitto",
        "a broker that bridges to us finds another name in our certificate: internal_error", SERVER,
        "mosquitto -c bridge.conf", Cause.WRONG_NAME, OURS, me("server-elsewhere", client_auth="none"),
        bridging()),
    Row("our-certificate-for-another-name-stunnel",
        "stunnel compares another name than it sends, and finds none in our certificate: internal_error",
        SERVER, "stunnel calls.conf", Cause.WRONG_NAME, OURS, me("server-elsewhere", client_auth="none"),
        STUNNEL_CALLS),
    Row("caller-with-a-renewed-certificate", "we trust the client's certificate as it is, and it has a new one", SERVER,
        showing("client-fresh"), Cause.CERTIFICATE_NOT_PINNED, PEERS,
        lambda: {"client_anchors": people.TrustStore((), exact=[people.person("client").issued.der])}),
    Row("caller-without-certificate-haproxy", "HAProxy checks us as its server, without a certificate", SERVER,
        "haproxy -f checks.cfg", Cause.NO_CERTIFICATE, PEERS, setup=checking()),
    Row("our-certificate-of-unknown-ca-haproxy", "HAProxy, whose server we are, does not trust our CA", SERVER,
        "haproxy -f checks.cfg", Cause.CA_NOT_ACCEPTED, OURS, me("server-unknown", client_auth="none"), checking()),
)  # fmt: skip

PEER_ROWS = (*APACHES, *DATABASES, *DIRECTORIES, *KEYS, *PSKS, *RUNTIMES, *CALLERS)
