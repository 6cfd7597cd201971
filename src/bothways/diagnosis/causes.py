"""Every cause that a failure may have: one table of sentences, remedies and commands.

A cause lies with us, with the peer, or between us; a row is written for either side, and says what each can do. The
names in braces are facts; `{whose}` is "our" or "the server's", `{who}` is "we" or "the server".
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Party(Enum):
    """The side on which a cause lies, which has to change something."""

    OURS = "ours"
    PEERS = "the peer's"
    BETWEEN = "between us"


class Row(NamedTuple):
    """One row: the cause, what to do where it lies with us and where it lies with the peer, and commands for both.

    ours_above, theirs_above: what to do where it is not the certificate itself but a CA above it.
    A command is for our own terminal. Its facts are our own, never what a peer sent.
    """

    text: str
    ours: str = ""
    theirs: str = ""
    our_command: str = ""
    their_command: str = ""
    ours_above: str = ""
    theirs_above: str = ""


OTHER_IDENTITY = "bothways connect {target} --ca {ca} --cert CERT --key KEY"
OTHER_ANCHOR = "bothways connect {target} --ca CA"
WHOLE_CHAIN = "(openssl x509 -in {cert}; openssl x509 -in INTERMEDIATE) > chain.pem"


class Cause(Enum):
    """A cause that a failure may have. The name of a member is stable, its texts are not."""

    # -- reaching the peer ---------------------------------------------------------------------------
    NOTHING_LISTENS = Row("nothing listens at {address}", theirs="start the server, or correct host and port")
    REJECTED = Row(
        "a firewall rejects connections to {address}",
        theirs="have the port opened for our address, or go through the proxy that this network needs",
    )
    HOST_UNKNOWN = Row(
        "the host name has no address: it is misspelled, or known only inside another network",
        ours="correct the name, or connect from a network in which it is known",
        our_command="bothways connect HOST:{port} --ca {ca}",
    )
    UNREACHABLE = Row(
        "there is no route to {address} from this host",
        ours="have the operator of this network check the VPN, the routes and the proxy that it needs",
    )
    FILTERED = Row(
        "a firewall drops packets to {address}, or the host is down",
        theirs="have the port opened for our address, or go through the proxy that this network needs",
    )
    PEER_SILENT = Row(
        "{silence}",
        theirs="{looking}look at the {peer}'s log and its load",
    )
    NO_ANSWER = Row(
        "the {peer} hangs or is overloaded, or waits for more than was sent",
        theirs="look at the {peer}'s log and its load; a request has to be complete, in the protocol of the service",
    )
    LOCAL_FAILURE = Row(
        "this machine could not open the connection: {problem}",
        ours="have what the operating system reports corrected; TLS had not begun",
    )
    MISUSE = Row(
        "bothways is configured or called wrongly: {problem}",
        ours="correct it in the configuration or the program; no peer has a part in it",
    )
    OTHER_ERROR = Row(
        "{failing}: {problem}",
        ours="look for its cause where it was raised",
    )
    OUR_DEFECT = Row(
        "something failed inside bothways; neither side is at fault",
        ours="have it corrected: report it with the traceback in our log",
    )

    # -- protocols other than TLS ---------------------------------------------------------------------
    SPEAKS_HTTP = Row(
        "the {peer} speaks plain HTTP on this port",
        theirs="{using}",
        their_command="curl -v http://{target}/",
    )
    SPEAKS_HTTP2 = Row(
        "the server speaks HTTP/2 without TLS on this port, as gRPC servers do that have no credentials",
        theirs="have TLS turned on in the server, or use its port with TLS",
        their_command="curl -v --http2-prior-knowledge http://{target}/",
    )
    HTTP_CLIENT = Row(
        "the client speaks plain HTTP to our TLS port",
        theirs="{speaking}",
    )
    SPEAKS_SSH = Row("an SSH server listens on this port", theirs="use the port of the TLS service")
    SPEAKS_MAIL = Row(
        "a mail or FTP server listens there, which begins in plain text and changes to TLS on request (STARTTLS)",
        theirs="{requesting}use its port for implicit TLS (465 SMTP, 993 IMAP, 995 POP3, 990 FTP)",
        their_command="bothways connect {target} --ca {ca} --starttls {starttls}",
    )
    SPEAKS_DATABASE = Row(
        "a database listens there, which requires a message of its own protocol before TLS",
        theirs="{requesting}connect with the client of that database and its TLS options",
        their_command="bothways connect {target} --ca {ca} --starttls {starttls}",
    )
    SPEAKS_LDAP = Row(
        "a directory (LDAP) listens there, which changes to TLS on request (STARTTLS)",
        theirs="{requesting}use its port for implicit TLS (636)",
        their_command="bothways connect {target} --ca {ca} --starttls {starttls}",
    )
    SPEAKS_XMPP = Row(
        "an XMPP server listens there, which changes to TLS on request (STARTTLS)",
        theirs="{requesting}use its port for implicit TLS (5223)",
        their_command="bothways connect {target} --ca {ca} --starttls {starttls}",
    )
    STARTTLS_NOT_OFFERED = Row(
        "the service speaks {protocol} with TLS turned off, or a device on the way removes its offer of TLS",
        theirs="have TLS turned on in the service, with a certificate and its key; try from another network",
    )
    STARTTLS_REFUSED = Row(
        "the service offers TLS and refused to begin it: often it cannot load its certificate or key",
        theirs="read the {peer}'s log at {now}",
    )
    OTHER_STARTTLS = Row(
        "it is another protocol than {protocol}: {detail}",
        ours="name the protocol that the server uses",
        theirs="have the client speak {protocol} there and request TLS in it, or use a port of its own protocol",
        our_command="bothways connect {target} --ca {ca} --starttls {starttls}",
    )
    TLS_AT_ONCE = Row(
        "{beginning}",
        ours="leave --starttls out, or use the port of the plain protocol",
        theirs="have the client request TLS in {protocol} (STARTTLS), or use a port with implicit TLS",
        our_command="bothways connect {target} --ca {ca}",
    )
    AHEAD_OF_TLS = Row(
        "data was inserted before TLS began, as if it had been protected: by a device on the way, or by a defect of the {peer}",
        ours="try from another network",
        theirs="update the {peer} (CVE-2011-0411 and similar defects)",
    )
    WANTS_PROXY_HEADER = Row(
        "the port expects the header of the PROXY protocol before TLS, as a load balancer sends it",
        theirs="connect to the load balancer, or have a port opened that expects no such header",
    )
    STARTTLS_CLIENT = Row(
        "the client begins in {protocol}, in which TLS is requested later if at all (STARTTLS), and this port expects TLS from the first byte",
        theirs="have the client begin with TLS ({wanted}), or put `--starttls` of serve or the gateway in front of a service "
        "that does not have TLS itself",
    )
    NAME_ROUTED = Row(
        "a router in front of the server forwards connections by server name (SNI), and has no route for {name}",
        ours="connect with a server name that it has a route for",
        theirs="add the name to the configuration of the router",
    )
    PROXY_HEADER = Row(
        "a load balancer in front of the server sends the header of the PROXY protocol before TLS, and the server expects none",
        theirs="turn the header off in the load balancer, or have the server read it: nginx `listen ... ssl proxy_protocol`, HAProxy `bind ... accept-proxy`, `proxy_from` in the file of `bothways gateway`",
    )
    OLD_SSL = Row("the {peer} begins with an SSL 2.0 hello", theirs="update the {peer}")
    SPEAKS_PLAIN = Row(
        "the service on this port does not use TLS, or not from the first byte",
        theirs="check host and port; enable TLS there if it should be used; databases and mail servers begin with their own protocol",
    )
    OUR_PLAIN_PORT = Row(
        "the client does not use TLS: it is a scanner, a health check, or a client of another protocol",
        theirs="have the health check use TLS, or ignore it",
    )
    PLAIN_CLIENT = Row(
        "the client speaks {protocol} without TLS",
        theirs="have TLS turned on in the client of {protocol}",
    )
    PROBE = Row(
        "it was a port scan or a health check that only tests whether the port is open",
        theirs="nothing, if the address is known for that; otherwise find out who uses it",
    )

    # -- the hellos ----------------------------------------------------------------------------------
    NO_SHARED_VERSION = Row(
        "no TLS version is supported by both sides: {detail}",
        ours="allow more versions on our side",
        theirs="enable {enabling} on the {peer}",
        our_command="bothways connect {target} --ca {ca}",
    )
    NO_SHARED_SUITE = Row(
        "no cipher suite is accepted by both sides: {detail}",
        ours="allow one of the {peer}'s cipher suites on our side",
        theirs="enable a cipher suite with ECDHE and AES-GCM or ChaCha20-Poly1305 on the {peer}",
        our_command="bothways connect {target} --ca {ca}",
    )
    ONLY_KEY_TRANSPORT = Row(
        "the {peer} has only cipher suites without forward secrecy (RSA key transport)",
        ours="allow them; then whoever gets the server's private key later can decrypt recorded connections",
        theirs="enable ECDHE cipher suites on the {peer}",
        our_command="bothways connect {target} --ca {ca} --tls 1.2 {classic}",
    )
    NO_SHARED_GROUP = Row(
        "no key exchange group is accepted by both sides: {detail}",
        ours="allow one of the {peer}'s groups on our side",
        theirs="enable x25519 or P-256 on the {peer}",
        our_command="bothways connect {target} --ca {ca}",
    )
    NO_SHARED_SCHEME = Row(
        "{whose} key cannot be used with any signature scheme that {other} accepts: {detail}",
        ours="{another_key}",
        theirs="have the {peer} use a certificate with another kind of key, P-256 or RSA of 2048 bits",
        our_command=OTHER_IDENTITY,
    )
    CURVE_NOT_OFFERED = Row(
        "{whose} ECDSA key lies on a curve that {other} does not offer, as TLS 1.2 requires: {detail}",
        ours="use a certificate with another key, also beside this one; RSA of 2048 bits and P-256 are accepted nearly everywhere",
        theirs="have the {peer} use a certificate with another key, P-256 or RSA of 2048 bits, or allow its curve on our side",
    )
    NO_SHARED_PROTOCOL = Row(
        "no application protocol (ALPN) is supported by both sides: {detail}",
        ours="{offering}",
        theirs="have the {peer} offer one of our protocols",
        our_command="bothways connect {target} --ca {ca} --alpn {offer}",
    )
    NAME_NOT_SERVED = Row(
        "{other} does not serve the name {name}",
        ours="connect with a name that the server is configured for",
        theirs="add the name to the server, or have the client use a name that the server has",
        our_command="bothways connect {target} --ca {ca} --name NAME",
    )
    MISDIRECTED = Row(
        "the host of the request is not served on the connection that its server name selected: {detail}",
        ours="use the host of the request as the server name of its connection, and a new connection for each host",
        theirs="have the host of the request served under this server name, by the same route or certificate",
        our_command="bothways connect {target} --ca {ca} --name NAME",
    )
    NO_NAME_SENT = Row(
        "we sent no server name, since {name} is an IP address, and the server selects its certificate by name",
        ours="connect with the host name",
        our_command="bothways connect {target} --ca {ca} --name NAME",
    )
    ECH_OUTDATED = Row(
        "the configuration by which the ClientHello was encrypted (ECH) is not one that the server has: it is outdated",
        ours="take the configuration that the server publishes now, or that it has just sent",
        theirs="have the client take the configuration that is published now; keep former keys as long as it may be used",
    )
    ECH_NOT_DECRYPTED = Row(
        "the server does not decrypt ClientHellos (ECH), and has no configuration for us",
        ours="connect without encryption of the ClientHello, if the server's name may be seen on the network",
        theirs="give the server the key of the configuration that is published, or publish none",
    )
    NO_EXTENDED_MAIN_SECRET = Row(
        "the {peer}'s TLS 1.2 does not support the extended main secret, which binds the keys to the handshake (RFC 7627)",
        theirs="update the {peer}, or enable TLS 1.3 on it",
    )
    NO_SECURE_RENEGOTIATION = Row(
        "the server's TLS 1.2 does not support secure renegotiation (RFC 5746): it is turned off, or older than 2010",
        theirs="turn it on, update the server, or enable TLS 1.3 on it",
    )
    WANTS_CERTIFICATE_LATER = Row(
        "the server requests a certificate only after the handshake, or never",
        theirs="have it request one in the handshake: nginx `ssl_verify_client on`, Apache `SSLVerifyClient require` for the whole host, IIS `clientCertNegotiation=enable`; in TLS 1.3 some servers request one after the handshake if the client allows it",
        their_command="bothways connect {target} --ca {ca} --cert {cert} --key {key} {later}",
    )
    WANTS_RENEGOTIATION = Row(
        "the {peer} begins a second handshake on the same connection (renegotiation), which we do not support",
        theirs="have the {peer} request everything that it needs in the first handshake",
    )
    FELL_BACK = Row(
        "the client offered a lower version after its first attempt had failed (fallback)",
        theirs="have the client offer its highest version first; find out why its first attempt failed",
    )
    LARGE_HELLO = Row(
        "the {peer}, or a device in front of it, cannot process a ClientHello of more than one packet",
        theirs="update the device; until then offer no post-quantum group",
        their_command="bothways connect {target} --ca {ca} --groups {groups}",
    )
    LETS_NOT_IN = Row(
        "the {peer}, or a device in front of it, accepts connections only from known addresses or for known names",
        theirs="have our address added to those that it accepts",
    )

    # -- a certificate that is verified ------------------------------------------------------------------
    NO_CERTIFICATE = Row(
        "{who} sent no certificate, and one is required: {detail}",
        ours="configure a certificate and its key",
        theirs="configure the client with a certificate of a CA that our request names, and its key",
        our_command="bothways connect {target} --ca {ca} --cert CERT --key KEY",
    )
    CERTIFICATE_WITHHELD = Row(
        "{whose} certificate was not sent: {detail}",
        ours="configure the one certificate that is meant for this server, with a key that it accepts",
        our_command=OTHER_IDENTITY,
    )
    CERTIFICATE_NOT_ASKED = Row(
        "the server did not request our certificate in the handshake, so it was not sent",
        theirs="enable client certificates for this host and path on the server; until then ours cannot be sent",
    )
    CANNOT_BE_ASKED = Row(
        "{detail}",
        theirs="have the client allow it (post_handshake_auth), or request its certificate in the handshake, for a "
        "server name of its own if not all clients have one",
    )
    CA_NOT_ACCEPTED = Row(
        "{whose} certificate was issued by a CA that {other} does not trust: {detail}",
        ours="use a certificate of a CA that the {peer} trusts, or have our CA added to its trust anchors",
        theirs="if that CA should be trusted here, add its root, from its operator, to {anchors}; otherwise have the {peer} use a certificate of a CA that we trust",
        our_command=OTHER_IDENTITY,
        their_command=OTHER_ANCHOR,
    )
    INTERMEDIATE_MISSING = Row(
        "{whose} chain lacks the intermediate {issuer}",
        ours="append its certificate to the file of our certificate",
        theirs="have the {peer} send its complete chain: its certificate, then each intermediate",
        our_command=WHOLE_CHAIN,
    )
    WRONG_INTERMEDIATE = Row(
        "the chain does not lead on from {subject}: it was issued by {issuer}, and {detail}",
        theirs="have the {peer} send the certificate of {issuer} that is for the key which signed {subject}, instead of the other one",
    )
    SELF_SIGNED = Row(
        "{whose} certificate is self-signed: no CA issued it",
        ours="have a CA issue one, or have the {peer} add this certificate to its trust anchors",
        theirs="if the {peer}'s operator confirms its fingerprint, trust the certificate itself",
        our_command=OTHER_IDENTITY,
        their_command=OTHER_ANCHOR,
    )
    ROOT_NOT_TRUSTED = Row(
        "{whose} chain ends at a root that {other} does not trust: {issuer}",
        theirs="if its CA's operator confirms the fingerprint of that root by another way, add it to {anchors}",
        their_command=OTHER_ANCHOR,
    )
    CA_REPLACED = Row(
        "the CA certificate {issuer} that {other} has is for another key: that CA was set up again, or two CAs have that name",
        ours="compare the fingerprints of both CA certificates with the {peer}'s operator: if the CA was set up again, "
        "have our certificate issued again, or its new certificate installed at the {peer}",
        theirs="ask the CA's operator for the fingerprint of its certificate, by another way than this connection: if it "
        "was set up again, install that certificate here, or have the {peer}'s issued again; otherwise this is another {peer}",
        our_command=OTHER_IDENTITY,
        their_command=OTHER_ANCHOR,
    )
    WRONG_ENVIRONMENT = Row(
        "certificates of a test and of a production environment are mixed: {detail}",
        ours="use an address, a certificate and a CA of the same environment",
        theirs="use an address, a certificate and a CA of the same environment",
        our_command=OTHER_IDENTITY,
        their_command=OTHER_ANCHOR,
    )
    EXPIRED = Row(
        "{subject} expired on {date}",
        theirs="the {peer}'s operator has to renew it",
        ours="have the CA issue a new one",
        ours_above="put that CA's new certificate in its place in our file, or have another CA issue ours",
        theirs_above="the {peer}'s operator has to put that CA's new certificate in its place",
    )
    ANCHOR_EXPIRED = Row(
        "the trust anchor {issuer} expired on {date}",
        ours="add the CA's new certificate, or another root of the chain, to {anchors}",
        theirs="have the {peer} trust the CA's new certificate",
        our_command=OTHER_ANCHOR,
    )
    ANCHOR_UNUSABLE = Row(
        "the trust anchor {issuer} cannot be used: it {detail}",
        ours="add the CA's current certificate, or another root of the chain, to {anchors}",
        our_command=OTHER_ANCHOR,
    )
    NOT_YET_VALID = Row(
        "{subject} is not valid before {date}",
        theirs="wait until then, or have the {peer} keep using the certificate that it replaces",
        ours="have the CA issue one that is valid now, or keep using the certificate that it replaces",
    )
    OUR_CLOCK = Row("our clock is wrong: it shows {now}", ours="have the clock of this machine set")
    PEERS_CLOCK = Row(
        "the {peer}'s clock is wrong: by our clock ({now}) our certificate is valid",
        theirs="compare the {peer}'s clock with ours, and have the wrong one set",
    )
    REVOKED = Row(
        "{subject} was revoked{detail}",
        ours="have a new one issued{by}; {lasting}",
        theirs="the {peer} needs a new certificate; {lasting}",
        ours_above="have a new certificate issued by another CA; {lasting}",
        theirs_above="the {peer} needs a certificate of another CA; {lasting}",
    )
    STATUS_UNKNOWN = Row(
        "the revocation status of {whose} certificate cannot be determined: {detail}",
        ours="{getting}",
        theirs="have the {peer} load the current certificate revocation list (CRL) of our CA",
        our_command="bothways connect {target} --ca {ca} --crl CRL",
    )
    FETCH_NOT_ALLOWED = Row(
        "the revocation status of {whose} certificate cannot be fetched from {source}, which must not be contacted "
        "because of its address: {detail}",
        ours="if that host belongs to the CA, allow it (--fetch-allow); otherwise configure the CA's current "
        "certificate revocation list (CRL)",
        our_command="bothways connect {target} --ca {ca} --fetch --fetch-allow HOST",
    )
    STAPLE_MISSING = Row(
        "{whose} certificate came without a valid stapled OCSP response, which {required_by} requires: {detail}",
        ours="staple a current OCSP response of our CA",
        theirs="enable OCSP stapling on the {peer}: nginx `ssl_stapling on`, Apache `SSLUseStapling on`",
    )
    BAD_STAPLE = Row(
        "the OCSP response that was stapled to {whose} certificate does not prove its status: {detail}",
        ours="staple a current OCSP response of our CA",
        theirs="have the {peer} staple a new response of its own CA",
    )
    WRONG_USE = Row(
        "{subject} is for {got}, and not for {wanted}",
        ours="have one issued with the extended key usage {usage}{also}",
        theirs="the {peer} needs a certificate with the extended key usage {usage}{also}",
        ours_above="have ours issued by a CA with the extended key usage {usage}, or by one without any",
        theirs_above="the {peer} needs a certificate of a CA with the extended key usage {usage}, or of one without any",
    )
    WRONG_KEY_USAGE = Row(
        "the key usage of {subject} lacks {wanted}",
        ours="have it issued with that key usage",
        theirs="the {peer} needs one with that key usage",
    )
    WRONG_NAME = Row(
        "{whose} certificate is for {got}, not for {wanted}",
        ours="have one issued for that name",
        theirs="{naming}have it issued for this one",
        their_command="bothways connect {target} --ca {ca} --name NAME",
    )
    NO_ALTERNATIVE_NAME = Row(
        "{whose} certificate has only a common name; {comparing}",
        ours="have it issued with a subjectAltName",
        theirs="{instead}the server needs a certificate with the subjectAltName {wanted}",
    )
    NOT_A_WEB_CERTIFICATE = Row(
        "{subject} does not follow the rules for public web certificates: {detail}",
        ours="have it issued by the Baseline Requirements of the CA/Browser Forum",
        theirs="if this is a private server, verify it by the private profile; a public one needs a certificate "
        "that follows the Baseline Requirements of the CA/Browser Forum",
    )
    WEAK_KEY = Row(
        "the key of {subject} is too weak: {got}",
        theirs="the {peer} needs a new key, P-256 or RSA of at least 2048 bits",
        ours="have the CA certify a new key, P-256 or RSA of at least 3072 bits",
        ours_above="have ours issued by a CA with a stronger key, P-256 or RSA of at least 3072 bits",
        theirs_above="the {peer} needs a certificate of a CA with a stronger key, P-256 or RSA of at least 2048 bits",
    )
    WEAK_SIGNATURE = Row(
        "{subject} is signed with {got}, which is not accepted any more",
        ours="have it issued again with SHA-256 or better",
        theirs="the {peer}'s CA has to issue it again with SHA-256 or better",
        ours_above="have that CA's certificate issued again with SHA-256 or better, and put it in its place in our file",
    )
    PATH_TOO_LONG = Row(
        "{whose} chain has more CAs below one another than allowed{detail}",
        ours="have the certificate issued by a CA higher up, or the CA with a larger path length",
        theirs="have the {peer}'s certificate issued by a CA higher up",
    )
    DEPTH_LIMIT = Row(
        "the {peer} accepts fewer CA certificates in a chain than ours has: {detail}",
        ours="use a certificate of a CA higher up",
        theirs="have the {peer} accept longer chains: {longer}",
    )
    PARTIAL_CHAIN = Row(
        "the {peer} trusts the intermediate {issuer}, and not the root above it; OpenSSL wants the root too",
        theirs="have the root put beside it, or partial chains allowed (X509_V_FLAG_PARTIAL_CHAIN)",
    )
    CHAIN_TOO_LARGE = Row(
        "the {peer} sent more certificates than its path can need: {detail}",
        theirs="have it send its certificate and the intermediates alone",
    )
    NAME_NOT_ALLOWED = Row(
        "a CA in {whose} chain is not allowed to issue for this name: {detail}",
        ours="have it issued for a permitted name, or by another CA",
        theirs="have it issued for a permitted name, or by another CA",
    )
    NOT_A_CA = Row(
        "{issuer}, which issued {whose} certificate, is not a CA that is allowed to",
        ours="have it issued by a CA",
        theirs="have it issued by a CA",
    )
    SIGNATURE_WRONG = Row(
        "{subject} was altered, or was signed with another key of an issuer of the same name",
        theirs="have the {peer} get it again from its CA and install it",
        ours="have the CA that issued it hand it out again",
    )
    UNKNOWN_EXTENSION = Row(
        "{whose} certificate has a critical extension that is not supported: {detail}",
        ours="have it issued without that extension",
        theirs="have it issued without that extension, or with the extension not critical",
    )
    NOT_STRICTLY_VALID = Row(
        "{whose} chain does not follow RFC 5280 in a point that strict verification requires: {detail}",
        ours="have the certificate issued again with that in order",
        theirs="have the certificate issued again with that in order; until then strict verification can be left out (in "
        "Python ssl.VERIFY_X509_STRICT, which create_default_context sets since 3.13)",
    )
    POLICY = Row(
        "{whose} chain has no certificate policy that is required",
        ours="have it issued under one of the required policies",
        theirs="have it issued under one of the required policies",
    )
    KEY_NOT_PINNED = Row(
        "{whose} raw public key is not pinned by {other}: {detail}",
        ours="have the {peer}'s operator pin our key, which replaces or joins an earlier one",
        theirs="if the {peer}'s operator confirms this fingerprint, pin the key; if not, this is another {peer}",
    )
    CERTIFICATE_NOT_PINNED = Row(
        "{whose} certificate is none of those that {other} trusts as they are, one by one: {detail}",
        ours="have the {peer} trust the certificate that we use now, beside the one that it had of us or in its place",
        theirs="if the {peer}'s operator confirms the fingerprint of the new one, by another way than this connection, put "
        "it into {pins}, beside the old one or in its place; otherwise this is another {peer}",
    )
    PSK_NOT_SHARED = Row(
        "{whose} pre-shared key is not one that {other} has: {detail}",
        ours="{sharing}",
        theirs="{sharing}",
    )
    UNUSABLE_KEY = Row(
        "{whose} raw public key cannot be used: {detail}",
        theirs="the {peer} needs a new key, P-256 or RSA of at least 2048 bits",
    )
    OTHER_KIND_OF_IDENTITY = Row(
        "one side wants a certificate where the other has a raw public key, or the reverse: {detail}",
        ours="configure both sides for the same: certificates and trust anchors, or raw public keys and pins",
        theirs="configure both sides for the same: certificates and trust anchors, or raw public keys and pins",
    )
    UNREADABLE = Row(
        "{undecoded}: {detail}",
        ours="{mending}",
        theirs="the {peer}'s CA has to issue it again",
    )
    KEY_MISMATCH = Row(
        "{whose} private key does not belong to {whose} certificate",
        theirs="have the {peer} {fitting}",
        ours="configure the key that the certificate was requested with, or have the CA certify another",
    )
    NOT_LET_IN = Row(
        "the holder of {whose} certificate is not authorized",
        ours="have the {peer}'s operator add us: {subject}",
        theirs="if it should be allowed, add a rule for it",
    )
    NOT_ACCEPTED = Row(
        "the {peer} does not accept {whose} certificate, and does not say why",
        theirs="look at the {peer}'s log",
        ours="have the {peer}'s operator look up the reason in its log",
    )

    # -- between us, and the rest -----------------------------------------------------------------------
    DEVICE_BETWEEN = Row(
        "a device on the network path reads or alters the connection: a proxy that inspects TLS, a defective firewall",
        ours="have the operator of the proxy or firewall pass the connection unaltered; compare with another network",
    )
    CUT = Row(
        "the network or a device on the network path {cut}",
        ours="have the network's operator examine it, if it recurs or occurs from one network only{cutting}",
    )
    PEER_STOPPED = Row(
        "the {peer} was stopped, crashed or reached a time limit of its own",
        theirs="look at the {peer}'s log at {now}",
    )
    PEER_CONFIGURED_WRONG = Row(
        "the {peer} cannot use its own configuration: often it cannot load a certificate or key",
        theirs="look at the {peer}'s log at {now}",
    )
    BEYOND_OUR_LIMITS = Row(
        "the {peer} sends more than our limits allow: {detail}",
        ours="check whether it should; the limit of a Certificate message is max_certificate_bytes, the others are fixed",
        theirs="send less: fewer certificates, shorter messages, fewer records without data",
    )
    PEER_BREAKS_RULES = Row(
        "the {peer}'s TLS implementation breaks the protocol: {detail}",
        theirs="update the {peer}, or report this to its developers",
    )
    WE_BREAK_RULES = Row(
        "the {peer} and bothways interpret the protocol differently: {detail}",
        ours="have it corrected: report it with a recording of the handshake (--ladder FILE)",
    )
    RECORDS_DIFFER = Row(
        "the keys of the two sides differ, or what was sent was altered on the way",
        ours="have the network's operator examine it, if it recurs or occurs from one network only",
    )
    GAVE_UP = Row(
        "the user of the {peer} cancelled, or it was closed{during}",
        theirs="nothing, unless it happens again",
    )
    SLOW = Row(
        "the {peer}, or the network path to it, is too slow for the time limit",
        ours="allow more time, or look at the {peer}'s load",
        our_command="bothways connect {target} --ca {ca} --timeout 120",
    )
    PRIVATE_ALERT = Row(
        "the {peer} used an alert that is in no standard; its developers or its operator know what it means",
        theirs="look at the {peer}'s log at {now}",
    )
    RESUMPTION = Row(
        "the {peer} uses a pre-shared key (PSK) or an earlier session that we do not have",
        theirs="allow full handshakes on the {peer}",
    )
    WANTS_LOGIN = Row(
        "the service requires credentials in the request, in addition to the certificate",
        ours="have the service's operator issue what it asks for (a password, a token), and send it with the request",
    )
    PROXY_WANTS_LOGIN = Row(
        "a proxy on the network path asks for credentials, not the service",
        ours="have the proxy's operator issue credentials, or permit connections without it",
    )
    PROXY_REFUSES = Row(
        "the proxy opened no connection to the server: {detail}",
        ours="{opening}",
    )
    BACKEND_DOWN = Row(
        "{forwards} connections, and the service behind {forwarder} does not answer{refused}",
        ours="start the service at {address}, or correct its address; it has to expect plain connections from us",
        theirs="start the service behind it, or correct in the configuration of the {peer} its address, whether it expects TLS or a PROXY header, and which certificates the two accept of each other",
    )
    OTHER_SERVICE = Row(
        "it is another service, or another server of it, than the one that is meant: {detail}",
        ours="use the address of the service that is meant, or a client of the protocol that it speaks",
    )
    FORWARDED_IN_PLAIN = Row(
        "the {peer} decrypts what it receives, and forwards it in plain text to a service behind it that expects TLS",
        theirs="have it use TLS to that service (HAProxy `server ... ssl`, nginx `proxy_pass https://`), or the service's plain port",
    )
    FORWARDED_WITHOUT_CERTIFICATE = Row(
        "the {peer} forwards to a server behind it that wants a certificate, and sends it none of its own that it accepts",
        theirs="have it send a certificate of its own to that server (nginx `proxy_ssl_certificate`, HAProxy `server ... crt`): ours proves who we are to the {peer} alone",
    )
    HTTP1_REQUIRED = Row(
        "the server serves this request in HTTP/1.1 alone: most often it authenticates clients of this path after the handshake",
        ours="send the request in HTTP/1.1",
        our_command="bothways connect {target} --ca {ca} --alpn http/1.1",
    )
    REQUEST_TOO_LARGE = Row(
        "the request is larger than the server accepts: {detail}",
        ours="send less of it; or have the limit raised: nginx `large_client_header_buffers` and `client_max_body_size`, Apache `LimitRequestFieldSize`, `LimitRequestLine` and `LimitRequestBody`, Node.js `--max-http-header-size`",
    )
    NO_REQUEST = Row(
        "we sent no complete request within the {peer}'s time limit",
        ours="have the request sent without delay",
    )
    SERVICE_BUSY = Row(
        "the service accepts nobody now: it is overloaded, has too many connections, is starting, or is maintained",
        theirs="try again later; if it goes on, look at the {peer}'s load, its limit of connections and its log",
    )
    REFUSED_BY_SERVICE = Row(
        "{succeeded}the service itself refused us: {detail}",
        theirs="look up what its answer means; its log has more",
    )
