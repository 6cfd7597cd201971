"""More rows of the catalogue: several faults at once, clocks and anchors, services that refuse, chains.

A row says which cause is first; `also` names what has to be told beside it.
"""

from __future__ import annotations

from bothways.diagnosis import Cause
from catalogue import people
from catalogue.configurations import (
    BALANCER,
    BROKER,
    DEAD_ROUTER,
    HAPROXY,
    MQTT_5_PUBLISH,
    MQTT_CONNECT,
    NGINX,
)
from catalogue.prepared import asking_in
from catalogue.row import (
    BETWEEN,
    CLIENT,
    OURS,
    PEERS,
    S_CLIENT,
    S_SERVER,
    SERVER,
    Row,
    asking,
    me,
    s_server,
    showing,
    with_,
)
from catalogue.stage import REQUEST

SEVERAL = (
    Row("client-unknown-and-expired", "our certificate has expired, and its CA is none that the server names", CLIENT,
        asking(), Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown-expired"), also=(Cause.EXPIRED,)),
    Row("caller-unknown-and-expired", "the client's certificate has expired, and comes from a CA that is none of ours",
        SERVER, showing("client-unknown-expired"), Cause.CA_NOT_ACCEPTED, PEERS, also=(Cause.EXPIRED,)),
    Row("server-expired-and-of-another-name", "the server's certificate has expired, and is for another host", CLIENT,
        s_server("server-elsewhere-expired"), Cause.EXPIRED, PEERS, also=(Cause.WRONG_NAME,)),
    Row("caller-expired-and-for-servers", "the client's certificate has expired, and is for servers alone", SERVER,
        showing("client-expired-for-servers"), Cause.EXPIRED, PEERS, also=(Cause.WRONG_USE,)),
)  # fmt: skip

CLOCKS = (
    Row("anchor-expired", "the only root that we trust has expired, and the server's chain has not", CLIENT,
        s_server("server-of-an-expired-root"), Cause.ANCHOR_EXPIRED, OURS,
        lambda: {"anchors": people.TrustStore([people.expired_root().der])}),
    Row("callers-anchor-expired", "the only root that we trust clients by has expired", SERVER,
        showing("client-of-an-expired-root"), Cause.ANCHOR_EXPIRED, OURS,
        lambda: {"client_anchors": people.TrustStore([people.expired_root().der])}),
    Row("servers-anchor-expired", "the root by which the server trusts us has expired", CLIENT,
        s_server("server", "-Verify 2 -verify_return_error -CAfile expired-root.pem"), Cause.ANCHOR_EXPIRED, PEERS,
        lambda: me("client-of-an-expired-root")()
        | {"anchors": people.TrustStore([people.root().der, people.expired_root().der])}),
    Row("servers-anchor-expired-gnutls", "the same with GnuTLS, which says access_denied", CLIENT,
        "gnutls-serv -p PORT --http --x509certfile server.pem --x509keyfile server.key --x509cafile expired-root.pem "
        "--require-client-cert --verify-client-cert", Cause.ANCHOR_EXPIRED, PEERS,
        lambda: me("client-of-an-expired-root")()
        | {"anchors": people.TrustStore([people.root().der, people.expired_root().der])}),
    Row("anchor-not-yet-valid", "the only root that we trust begins in three weeks, and the server's chain is valid",
        CLIENT, s_server("server-of-an-early-root"), Cause.ANCHOR_UNUSABLE, OURS,
        lambda: {"anchors": people.TrustStore([people.early_root().der])}),
)  # fmt: skip

SERVICES = (
    Row("no-client-certificate-nginx-optional", "the service asks for certificates optionally, and we have none: 403",
        CLIENT, "nginx -p . -c optional.conf", Cause.NO_CERTIFICATE, OURS, setup=NGINX["optional"]),
    Row("client-of-unknown-ca-nginx-optional",
        "the service asks for certificates optionally, and ours is of a CA that it does not name: HTTP 403", CLIENT,
        "nginx -p . -c optional.conf", Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown"), NGINX["optional"]),
    Row("client-expired-nginx", "our certificate has expired: the handshake passes, and the answer is HTTP 400", CLIENT,
        "nginx -p . -c required.conf", Cause.EXPIRED, OURS, me("client-expired"), NGINX["required"]),
    Row("client-for-servers-nginx", "our certificate is for servers alone: HTTP 400", CLIENT,
        "nginx -p . -c required.conf", Cause.WRONG_USE, OURS, me("client-for-servers"), NGINX["required"]),
    Row("client-too-deep-for-nginx", "nginx's ssl_verify_depth is 1, and our chain has two intermediates: HTTP 400",
        CLIENT, "nginx -p . -c depth.conf", Cause.DEPTH_LIMIT, PEERS, me("client-three"), NGINX["depth"]),
    Row("password-wanted", "the service wants a password (HTTP 401, Basic), and asks for no certificate", CLIENT,
        "nginx -p . -c basic.conf", Cause.WANTS_LOGIN, OURS, setup=NGINX["basic"]),
    Row("token-wanted", "the service wants a token (HTTP 401, Bearer), and our certificate is good", CLIENT,
        "nginx -p . -c bearer.conf", Cause.WANTS_LOGIN, OURS, me("client"), NGINX["bearer"]),
    Row("no-certificate-behind-a-proxy", "nginx forwards without a certificate of its own to nginx that wants one",
        CLIENT, "nginx -p . -c behind.conf", Cause.FORWARDED_WITHOUT_CERTIFICATE, PEERS, setup=NGINX["behind a proxy"]),
    Row("bad-gateway", "the service behind nginx is down: HTTP 502", CLIENT,
        "nginx -p . -c gateway.conf", Cause.BACKEND_DOWN, PEERS, setup=NGINX["gateway"]),
    Row("unavailable", "HAProxy has no server to pass us on to: HTTP 503", CLIENT,
        "haproxy -f gateway.cfg", Cause.BACKEND_DOWN, PEERS, setup=HAPROXY["gateway"]),
    Row("proxy-password", "a proxy wants a password of its own: HTTP 407", CLIENT,
        "nginx -p . -c proxy.conf", Cause.PROXY_WANTS_LOGIN, BETWEEN, setup=NGINX["proxy"]),
    Row("misdirected", "the server does not serve this name on this connection: HTTP 421", CLIENT,
        "nginx -p . -c misdirected.conf", Cause.MISDIRECTED, OURS, setup=NGINX["misdirected"]),
    Row("cookies-too-large", "the header of the request is larger than nginx allows: HTTP 400", CLIENT,
        "nginx -p . -c page.conf", Cause.REQUEST_TOO_LARGE, OURS, setup=NGINX["page"],
        request=REQUEST.replace(b"\r\n\r\n", b"\r\nCookie: a=" + b"b" * 9000 + b"\r\n\r\n")),
    Row("forwarded-in-plain", "nginx forwards in plain text to a port that expects TLS: HTTP 400", CLIENT,
        "nginx -p . -c forwarding.conf", Cause.FORWARDED_IN_PLAIN, PEERS, setup=NGINX["forwarding"]),
    Row("tunnel-without-a-server", "HAProxy ends TLS, has no server for us, and closes without a word", CLIENT,
        "haproxy -f tunnel.cfg", Cause.BACKEND_DOWN, PEERS, setup=HAPROXY["tunnel"]),
)  # fmt: skip

REDIS = (
    "redis-server --port 0 --tls-port PORT --bind 127.0.0.1 --save '' --tls-cert-file server.pem "
    "--tls-key-file server.key --tls-ca-cert-file root.pem"
)
BROKERS = (
    Row("no-certificate-redis", "Redis requires a certificate, and we have none", CLIENT,
        REDIS, Cause.NO_CERTIFICATE, OURS, request=b"PING\r\n"),
    Row("client-of-unknown-ca-redis", "our certificate is of a CA that Redis does not accept", CLIENT,
        REDIS, Cause.CA_NOT_ACCEPTED, OURS, me("client-unknown"), request=b"PING\r\n"),
    Row("password-wanted-by-redis", "our certificate is good, and Redis wants a password as well", CLIENT,
        f"{REDIS} --requirepass secret", Cause.WANTS_LOGIN, OURS, me("client"), request=b"PING\r\n"),
    Row("no-certificate-mosquitto", "the broker requires a certificate, and we have none", CLIENT,
        "mosquitto -c broker.conf", Cause.NO_CERTIFICATE, OURS, setup=BROKER["open"], request=MQTT_CONNECT),
    Row("client-expired-mosquitto", "our certificate has expired", CLIENT,
        "mosquitto -c broker.conf", Cause.EXPIRED, OURS, me("client-expired"), BROKER["open"], request=MQTT_CONNECT),
    Row("password-wanted-by-mosquitto", "our certificate is good, and the broker wants a password as well", CLIENT,
        "mosquitto -c broker.conf", Cause.WANTS_LOGIN, OURS, me("client"), BROKER["password"], request=MQTT_CONNECT),
    Row("message-refused-by-mosquitto", "our certificate is good, and we may not publish: PUBACK with a reason", CLIENT,
        "mosquitto -c broker.conf", Cause.NOT_LET_IN, OURS, me("client"), BROKER["nothing allowed"],
        request=MQTT_5_PUBLISH),
    Row("too-few-replicas-of-redis", "our certificate is good, and Redis has too few replicas to write", CLIENT,
        f"{REDIS} --min-replicas-to-write 1", Cause.SERVICE_BUSY, PEERS, me("client"), request=b"SET a b\r\n"),
)  # fmt: skip

CHAINS = (
    Row("server-with-another-intermediate", "the server sends another intermediate of its CA than its issuer", CLIENT,
        s_server("server-other-intermediate"), Cause.WRONG_INTERMEDIATE, PEERS),
    Row("server-with-its-issuers-old-certificate", "the server sends the certificate of its issuer's old key", CLIENT,
        s_server("server-old-intermediate"), Cause.WRONG_INTERMEDIATE, PEERS),
    Row("server-with-an-intermediate-of-another-root", "the server sends an intermediate of somebody else's CA", CLIENT,
        s_server("server-foreign-intermediate"), Cause.WRONG_INTERMEDIATE, PEERS),
    Row("server-with-the-root-for-its-issuer", "the server sends its root, and not the intermediate below it", CLIENT,
        s_server("server-root-alone"), Cause.INTERMEDIATE_MISSING, PEERS),
    Row("server-with-its-issuers-old-certificate-unnamed", "the same, and no certificate names a key", CLIENT,
        s_server("server-unnamed-keys"), Cause.WRONG_INTERMEDIATE, PEERS),
    Row("server-below-a-ca-for-clients", "the CA above the server's certificate may issue for clients alone", CLIENT,
        s_server("server-below-a-ca-for-clients"), Cause.WRONG_USE, PEERS),
    Row("server-of-a-wildcard", "the server has a wildcard, and our name has one label more", CLIENT,
        s_server("server-of-a-wildcard"), Cause.WRONG_NAME, PEERS, asked="a.b.acme.example"),
    Row("client-that-is-a-ca", "our certificate is that of a CA, whose key may sign certificates alone", CLIENT,
        asking(), Cause.WRONG_KEY_USAGE, OURS, me("client-that-is-a-ca")),
    Row("server-behind-an-inspecting-proxy", "a firewall that inspects TLS made the server's certificate", CLIENT,
        s_server("server-inspected"), Cause.DEVICE_BETWEEN, BETWEEN),
    Row("client-key-below-the-servers-level", "the server wants keys of 128 bits, and ours is RSA with 2048", CLIENT,
        asking("-cipher DEFAULT@SECLEVEL=3"), Cause.WEAK_KEY, OURS, me("client-rsa")),
    Row("server-trusts-an-intermediate", "the server trusts our intermediate and not its root", CLIENT,
        s_server("server", "-Verify 2 -verify_return_error -CAfile issuing.pem"), Cause.PARTIAL_CHAIN, PEERS,
        me("client")),
)  # fmt: skip

SUITES = (
    Row("server-of-dhe", "the server has suites with finite-field DHE alone", CLIENT,
        s_server("server-rsa", "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256"), Cause.NO_SHARED_SUITE, PEERS, probe=True),
    Row("server-of-cbc", "the server has suites with CBC alone", CLIENT,
        s_server("server-rsa", "-tls1_2 -cipher ECDHE-RSA-AES128-SHA"), Cause.NO_SHARED_SUITE, PEERS, probe=True),
    Row("server-of-key-transport-with-cbc", "the server has RSA key transport with CBC alone", CLIENT,
        s_server("server-rsa", "-tls1_2 -cipher AES128-SHA"), Cause.ONLY_KEY_TRANSPORT, PEERS, probe=True),
    Row("server-of-tls-1-1", "the server has TLS 1.1 alone", CLIENT,
        s_server("server", "-tls1_1 -cipher DEFAULT@SECLEVEL=0"), Cause.NO_SHARED_VERSION, PEERS, probe=True),
    Row("server-of-one-suite-13", "we speak TLS 1.3 with one suite, and the server has another", CLIENT,
        s_server("server", "-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256"), Cause.NO_SHARED_SUITE, OURS,
        with_(versions=("1.3",), suites=("TLS_AES_256_GCM_SHA384",)), probe=True),
    Row("server-of-dhe-by-address", "the same by address: that no name was sent is no reason", CLIENT,
        s_server("server-rsa", "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256"), Cause.NO_SHARED_SUITE, PEERS,
        asked="127.0.0.1"),
    Row("server-of-suites-for-another-key", "the server's suites are for ECDSA alone, and its key is RSA", CLIENT,
        "nginx -p . -c key.conf", Cause.PEER_CONFIGURED_WRONG, PEERS, setup=NGINX["suites of another key"],
        probe=True),
    Row("server-of-suites-for-another-key-by-address", "the same by address: with a name it refuses just the same",
        CLIENT, "nginx -p . -c key.conf", Cause.PEER_CONFIGURED_WRONG, PEERS, setup=NGINX["suites of another key"],
        asked="127.0.0.1", probe=True),
    Row("server-of-pre-shared-keys", "the server has no certificate, and knows its clients by pre-shared keys", CLIENT,
        f"{S_SERVER} -nocert -psk 1a2b3c -tls1_2 -cipher PSK", Cause.NO_SHARED_SUITE, PEERS, probe=True),
    Row("no-shared-scheme-probed", "the server has an ECDSA key, and we accept RSA alone; a probe tells", CLIENT,
        s_server("server", "-tls1_2"), Cause.NO_SHARED_SCHEME, PEERS,
        with_(schemes=("rsa_pss_rsae_sha256", "rsa_pkcs1_sha256")), probe=True),
    Row("server-of-another-group-probed", "the server has P-521 alone, and we x25519; a probe tells", CLIENT,
        s_server("server", "-groups P-521"), Cause.NO_SHARED_GROUP, OURS, with_(groups=("x25519",)), probe=True),
)  # fmt: skip

BEFORE_TLS = (
    Row("smtp-asked-in-imap", "TLS is requested in IMAP, and the server speaks SMTP", CLIENT,
        "python3 smtp_peer.py PORT server.pem server.key", Cause.OTHER_STARTTLS, OURS,
        before=asking_in("imap"), starttls="imap"),
    Row("tls-asked-in-postgresql", "TLS is requested in PostgreSQL, and the port begins with TLS", CLIENT,
        s_server(), Cause.TLS_AT_ONCE, OURS, before=asking_in("postgres"), starttls="postgres"),
    Row("port-behind-a-balancer", "the port expects the header of the PROXY protocol; a probe tells", CLIENT,
        "haproxy -f header.cfg", Cause.WANTS_PROXY_HEADER, PEERS, setup=HAPROXY["header"], probe=True),
    Row("port-whose-balancer-sends-a-header",
        "a balancer sends a PROXY header to nginx, which expects none and answers in HTTP; a probe tells",
        CLIENT, "nginx -p . -c balancer.conf", Cause.PROXY_HEADER, PEERS, setup=BALANCER, probe=True,
        also=(Cause.SPEAKS_HTTP,)),
    Row("device-that-closes-for-large-hellos",
        "a device on the way closes for a hello of more than one packet; a probe with a small one is answered", CLIENT,
        "haproxy -f small.cfg", Cause.LARGE_HELLO, BETWEEN, setup=HAPROXY["small hellos"], probe=True),
    Row("router-without-our-name", "a router by server name has no route for ours, and closes; a probe tells", CLIENT,
        "haproxy -f router.cfg", Cause.NAME_ROUTED, BETWEEN, setup=HAPROXY["router"], probe=True),
    Row("router-by-address", "the same, and we connect by address, so that our hello has no name", CLIENT,
        "haproxy -f router.cfg", Cause.NO_NAME_SENT, OURS, setup=HAPROXY["router"], asked="127.0.0.1", probe=True),
    Row("router-without-a-server", "a router by server name reaches no server, and closes", CLIENT,
        "nginx -p . -c router.conf", Cause.NAME_ROUTED, BETWEEN, setup=DEAD_ROUTER, probe=True,
        also=(Cause.BACKEND_DOWN,)),
    Row("balancer-without-a-server", "a load balancer that passes TLS on reaches no server; a probe tells", CLIENT,
        "haproxy -f balancer.cfg", Cause.BACKEND_DOWN, PEERS, setup=HAPROXY["balancer without a server"], probe=True),
    Row("redis-in-the-clear", "Redis listens there without TLS, and waits for the end of a line; a probe tells", CLIENT,
        "redis-server --port PORT --bind 127.0.0.1 --save ''", Cause.SPEAKS_PLAIN, PEERS,
        with_(handshake_timeout=0.5), probe=True),
    Row("mosquitto-in-the-clear", "mosquitto listens there without TLS, and closes for our first bytes; a probe tells",
        CLIENT, "mosquitto -p PORT", Cause.SPEAKS_PLAIN, PEERS, probe=True),
    Row("host-unknown", "the host name has no address", CLIENT,
        s_server(), Cause.HOST_UNKNOWN, OURS, asked="nobody.invalid"),
    Row("caller-with-ldap-starttls", "an LDAP client asks for TLS in its own words", SERVER,
        "ldapsearch -x -ZZ -H ldap://localhost:PORT -b dc=acme", Cause.STARTTLS_CLIENT, PEERS),
    Row("caller-with-postgresql", "a PostgreSQL client asks for TLS in its own words", SERVER,
        "psql 'host=localhost port=PORT sslmode=require user=ada'", Cause.STARTTLS_CLIENT, PEERS),
    Row("caller-with-redis-in-the-clear", "a Redis client without TLS", SERVER,
        "redis-cli -h localhost -p PORT PING", Cause.PLAIN_CLIENT, PEERS),
    Row("caller-that-waits-for-a-greeting", "a mail client waits for the server's greeting", SERVER,
        "openssl s_client -connect localhost:PORT -starttls smtp", Cause.STARTTLS_CLIENT, PEERS,
        with_(handshake_timeout=0.5), also=(Cause.PROBE,)),
)  # fmt: skip

PYTHON = (
    "python3 -c \"import ssl, socket; c = ssl.create_default_context(cafile='root.pem'); "
    "c.wrap_socket(socket.create_connection(('localhost', PORT)), server_hostname='localhost')\""
)
BY_ADDRESS = PYTHON.replace("hostname='localhost'", "hostname='127.0.0.1'")
JUDGED_LATER = (
    Row("our-certificate-without-names-python",
        "Python's client finishes the handshake, finds no name in our certificate, and leaves", SERVER,
        PYTHON, Cause.NO_ALTERNATIVE_NAME, OURS, me("server-common-name", client_auth="none")),
    Row("our-certificate-expired-python", "our certificate has expired, by Python's client", SERVER,
        PYTHON, Cause.EXPIRED, OURS, me("server-expired", client_auth="none")),
    Row("our-certificate-misused-and-for-another-name", "our certificate is for clients alone, and for another host",
        SERVER, PYTHON, Cause.WRONG_USE, OURS, me("server-misused-elsewhere", client_auth="none"),
        also=(Cause.WRONG_NAME,)),
)  # fmt: skip

OF_OPENSSL = (
    Row("servers-clock-years-behind", "the server's clock is three years behind: OpenSSL says bad_certificate", CLIENT,
        asking("-attime $(date +%s -d '-3 years')"), Cause.PEERS_CLOCK, PEERS, me("client")),
    Row("callers-clock-years-behind", "the client's clock is three years behind", SERVER,
        f"{S_CLIENT} -attime $(date +%s -d '-3 years')", Cause.PEERS_CLOCK, PEERS, with_(client_auth="none")),
    Row("callers-clock-ahead", "the client's clock is a year ahead", SERVER,
        f"{S_CLIENT} -attime $(date +%s -d '+1 year')", Cause.PEERS_CLOCK, PEERS, with_(client_auth="none")),
    Row("our-key-below-the-callers-level", "the client wants keys of 128 bits, and ours is RSA with 2048", SERVER,
        f"{S_CLIENT} -cipher DEFAULT@SECLEVEL=3", Cause.WEAK_KEY, OURS, me("server-rsa", client_auth="none")),
    Row("our-certificate-without-the-address-asked", "the client connects by address, and our certificate has names",
        SERVER, BY_ADDRESS, Cause.WRONG_NAME, OURS, me("server-acme", client_auth="none")),
    Row("client-too-deep-for-openssl", "the server allows one intermediate, and we send two: unknown_ca", CLIENT,
        asking("-verify_depth 1"), Cause.DEPTH_LIMIT, PEERS, me("client-three"), also=(Cause.STATUS_UNKNOWN,)),
    Row("servers-list-out-of-date", "the server's CRL has expired, and our certificate lasts a year", CLIENT,
        asking("-CRL expired-crl.pem -crl_check"), Cause.STATUS_UNKNOWN, PEERS, me("client-lasting"),
        also=(Cause.PEERS_CLOCK,)),
    Row("client-of-a-revoked-ca", "the CA that issued our certificate was revoked", CLIENT,
        "haproxy -f lists.cfg", Cause.REVOKED, OURS, me("client-of-a-revoked-ca"), HAPROXY["lists"]),
)  # fmt: skip

MORE = (*OF_OPENSSL, *SEVERAL, *CLOCKS, *SERVICES, *BROKERS, *CHAINS, *SUITES, *BEFORE_TLS, *JUDGED_LATER)
