"""Everything that a failure may come from: one table of a sentence, remedies and commands.

A cause lies with us, with the peer, or between us; a row speaks of either side, and says what each can do. What stands
in braces are facts; `{whose}` is "our" or "the server's", `{who}` "we" or "the server".
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Party(Enum):
    """With whom a cause lies, and so who has to change something."""

    OURS = "ours"
    PEERS = "the peer's"
    BETWEEN = "between us"


class Row(NamedTuple):
    """One row: the cause, what to do where it is ours and where it is the peer's, and commands for both.

    A command is for our own terminal. Its facts are our own, never the peer's words.
    """

    text: str
    ours: str = ""
    theirs: str = ""
    our_command: str = ""
    their_command: str = ""


SHOW_OURS = "bothways show {cert}"
RENEW = "bothways ca renew DIR {cert}"


class Cause(Enum):
    """What a failure may come from. A member's name is stable, its words are not."""

    # -- reaching the peer ---------------------------------------------------------------------------
    NOTHING_LISTENS = Row("nothing listens at {address}", theirs="start the server, or correct host and port")
    HOST_UNKNOWN = Row(
        "the host name has no address: it is misspelled, or known only inside another network",
        ours="correct the name, or ask from where it is known",
        our_command="getent hosts {host}",
    )
    UNREACHABLE = Row(
        "no route leads to {address} from here",
        ours="look at the VPN, the routes and the proxy that this network needs",
        our_command="ip route get {host}",
    )
    FILTERED = Row(
        "a firewall drops what goes to {address}, or the host is down",
        theirs="have the port opened for our address, or go through the proxy that this network needs",
    )
    PEER_SILENT = Row(
        "what listens there does not answer to TLS: another service, or one that is overloaded",
        theirs="check the port; if it is right, look at the {peer}'s log and load",
    )
    LOCAL_FAILURE = Row(
        "this machine could not open the connection: {problem}",
        ours="mend what the system names; it never came to TLS",
    )
    OUR_DEFECT = Row(
        "something failed inside bothways, and neither peer is to blame",
        ours="report it with the line in our log that says where",
    )

    # -- something else than TLS ---------------------------------------------------------------------
    SPEAKS_HTTP = Row(
        "the server speaks plain HTTP on this port",
        theirs="use its HTTPS port, often 443 or 8443",
        their_command="curl -v http://{target}/",
    )
    HTTP_CLIENT = Row(
        "the client speaks plain HTTP to our TLS port", theirs="let it use https:// in the address"
    )
    SPEAKS_SSH = Row("an SSH server listens on this port", theirs="take the port of the TLS service")
    SPEAKS_MAIL = Row(
        "a mail or FTP server listens there, which begins in plain text and turns to TLS when asked (STARTTLS)",
        theirs="use its port for TLS from the start (465 SMTP, 993 IMAP, 995 POP3, 990 FTP)",
        their_command="openssl s_client -connect {target} -starttls smtp",
    )
    SPEAKS_DATABASE = Row(
        "a database listens there, which wants its own greeting before TLS",
        theirs="connect with that database's own client and its TLS options",
        their_command="openssl s_client -connect {target} -starttls {database}",
    )
    WANTS_PROXY_HEADER = Row(
        "the port expects the header of the PROXY protocol before TLS, as a load balancer sends it",
        theirs="connect to the load balancer, or have a port opened that expects no such header",
    )
    STARTTLS_CLIENT = Row(
        "the client asks for TLS in the words of {protocol} first (STARTTLS), and this port speaks TLS at once",
        theirs="let the client speak TLS from the start: ldaps://, implicit TLS, sslnegotiation=direct",
    )
    NAME_ROUTED = Row(
        "a router before the server passes connections on by their name, and knows none for {name}",
        ours="connect by the name that it routes",
        theirs="have the name added to the router",
    )
    PROXY_HEADER = Row(
        "something before the TLS sends the header of the PROXY protocol",
        theirs="turn it off in the load balancer, or take the header off before TLS begins",
    )
    OLD_SSL = Row("the {peer} begins with the hello of SSL 2", theirs="update the {peer}")
    SPEAKS_PLAIN = Row(
        "the service on this port speaks no TLS, or not from its first byte on",
        theirs="check host and port; have TLS switched on there if it should be; databases and mail want their own greeting first",
    )
    OUR_PLAIN_PORT = Row(
        "the client is none of TLS: a scanner, a health check, or a client of another protocol",
        theirs="have the health check speak TLS, or leave it be",
    )
    PROBE = Row(
        "it was a port scan or a health check that only looks whether somebody listens",
        theirs="nothing, if the address is known for that; else look who it is",
    )

    # -- the hellos ----------------------------------------------------------------------------------
    NO_SHARED_VERSION = Row(
        "no version of TLS is spoken by both: {detail}",
        ours="allow more versions on our side",
        theirs="have TLS 1.2 or 1.3 switched on at the {peer}",
        our_command="bothways connect {target} --ca {ca}",
        their_command="openssl s_client -connect {target} -tls1_1 -cipher DEFAULT@SECLEVEL=0",
    )
    NO_SHARED_SUITE = Row(
        "no cipher suite is accepted by both: {detail}",
        ours="allow one of the {peer}'s suites on our side",
        theirs="have a suite with ECDHE and AES-GCM or ChaCha20 switched on at the {peer}",
    )
    ONLY_KEY_TRANSPORT = Row(
        "the {peer} has only suites without forward secrecy (RSA key transport)",
        ours="allow them, knowing that who gets the server's key later can read all that was recorded",
        theirs="have ECDHE suites switched on at the {peer}",
        our_command="bothways connect {target} --ca {ca} --tls 1.2 --classic",
    )
    NO_SHARED_GROUP = Row(
        "no key exchange group is accepted by both: {detail}",
        ours="allow one of the {peer}'s groups on our side",
        theirs="have x25519 or P-256 switched on at the {peer}",
    )
    NO_SHARED_SCHEME = Row(
        "{whose} key cannot sign by any scheme that {other} accepts: {detail}",
        ours="use a certificate with another kind of key; RSA of 2048 bits and P-256 are accepted nearly everywhere",
        theirs="let the {peer} use a certificate with another kind of key, P-256 or RSA of 2048 bits",
    )
    NO_SHARED_PROTOCOL = Row(
        "no application protocol (ALPN) is spoken by both: {detail}",
        ours="offer what the {peer} speaks, often h2 or http/1.1",
        theirs="let the {peer} offer one of ours",
        our_command="bothways connect {target} --ca {ca} --alpn http/1.1",
    )
    NAME_NOT_SERVED = Row(
        "{other} has no certificate for the name {name}",
        ours="connect by the name that the server knows itself by",
        theirs="have the name added at the server, or let the client ask for one that is served",
        our_command="bothways connect {target} --ca {ca} --name NAME",
    )
    NO_NAME_SENT = Row(
        "we asked for no name, since {name} is an address, and the server chooses by name",
        ours="give the host name",
        our_command="bothways connect {target} --ca {ca} --name NAME",
    )
    NO_EXTENDED_MAIN_SECRET = Row(
        "the {peer}'s TLS 1.2 does not bind keys to their handshake (extended main secret, RFC 7627)",
        theirs="update the {peer}, or have it speak TLS 1.3",
    )
    NO_SECURE_RENEGOTIATION = Row(
        "the server's TLS dates from before 2010: it lacks secure renegotiation (RFC 5746)",
        theirs="update the server",
    )
    WANTS_CERTIFICATE_LATER = Row(
        "the server asks for a certificate only after the handshake, if at all",
        theirs="have it ask in the handshake: nginx `ssl_verify_client on`, Apache `SSLVerifyClient require` for the whole host, IIS `clientCertNegotiation=enable`; in TLS 1.3 some ask later if we let them",
        their_command="bothways connect {target} --ca {ca} --cert {cert} --key {key} --post-handshake",
    )
    WANTS_RENEGOTIATION = Row(
        "the {peer} begins a second handshake on the same connection (renegotiation), which we do not speak",
        theirs="let the {peer} ask for all that it needs in the first handshake",
    )
    FELL_BACK = Row(
        "the client offered less than its best after an attempt had failed",
        theirs="let the client offer its best version first; see what made the attempt fail",
    )
    LARGE_HELLO = Row(
        "the {peer}, or a device before it, cannot take a ClientHello of more than one packet",
        theirs="update the device; until then offer no post-quantum group",
        their_command="bothways connect {target} --ca {ca} --groups x25519,secp256r1",
    )
    LETS_NOT_IN = Row(
        "the {peer}, or a device before it, lets only known addresses or names in",
        theirs="have our address put on its list",
    )

    # -- a certificate that is judged ------------------------------------------------------------------
    NO_CERTIFICATE = Row(
        "{who} sent no certificate, and one is needed: {detail}",
        ours="give a certificate and its key",
        theirs="give the client a certificate of a CA that we name, and its key",
        our_command="bothways connect {target} --ca {ca} --cert CERT --key KEY",
    )
    CERTIFICATE_WITHHELD = Row(
        "{whose} certificate was not sent: {detail}",
        ours="give exactly the certificate that belongs here, of a key that the server accepts",
        our_command=SHOW_OURS,
    )
    CERTIFICATE_NOT_ASKED = Row(
        "the server did not ask for our certificate in the handshake, so it was not sent",
        theirs="have client certificates switched on for this host and path; until then ours cannot be sent",
    )
    CA_NOT_ACCEPTED = Row(
        "{whose} certificate comes from a CA that {other} does not accept: {detail}",
        ours="use a certificate of a CA that the {peer} accepts, or have our CA added there",
        theirs="if that CA is to be trusted here, add its root to {ca}; else let the {peer} use a certificate of a CA of ours",
        our_command=SHOW_OURS,
    )
    INTERMEDIATE_MISSING = Row(
        "{whose} chain lacks the intermediate {issuer}",
        ours="put its certificate behind our own in the file",
        theirs="have the {peer} send its whole chain: the certificate, then each intermediate",
        our_command="(openssl x509 -in {cert}; openssl x509 -in INTERMEDIATE) > chain.pem",
        their_command="openssl s_client -connect {target} -showcerts",
    )
    WRONG_INTERMEDIATE = Row(
        "{whose} certificate was issued by {issuer}, and what came along with it is another CA certificate: {detail}",
        ours="put the certificate of {issuer} behind our own, in place of that",
        theirs="have the {peer} send the certificate of {issuer} in place of that",
        our_command=SHOW_OURS,
        their_command="openssl s_client -connect {target} -showcerts",
    )
    SELF_SIGNED = Row(
        "{whose} certificate is self-signed, so no CA vouches for it",
        ours="have a CA issue one, or have the {peer} trust this very certificate",
        theirs="if it is the one that you expect (compare its fingerprint), add the certificate itself to {ca}",
        our_command=SHOW_OURS,
        their_command="openssl s_client -connect {target} < /dev/null | openssl x509 -noout -fingerprint -sha256",
    )
    ROOT_NOT_TRUSTED = Row(
        "{whose} chain ends at a root that {other} does not trust: {issuer}",
        ours="have the {peer} trust that root, or use a certificate of a CA that it trusts",
        theirs="if that root is to be trusted here, add it to {ca}",
        our_command=SHOW_OURS,
    )
    CA_REPLACED = Row(
        "the CA {issuer} was made anew: it has the same name and another key than the one that {other} knows",
        ours="have our certificate issued again, or the new CA certificate installed at the {peer}",
        theirs="install the CA's new certificate here, or have the {peer}'s certificate issued again",
        our_command=SHOW_OURS,
    )
    WRONG_ENVIRONMENT = Row(
        "test and production are mixed up: {detail}",
        ours="take address, certificate and CA from the same environment",
        theirs="take address, certificate and CA from the same environment",
        our_command=SHOW_OURS,
    )
    EXPIRED = Row(
        "{subject} expired on {date}",
        ours="renew it",
        theirs="the {peer}'s operator has to renew it",
        our_command=SHOW_OURS,
    )
    ANCHOR_EXPIRED = Row(
        "the trust anchor {issuer} expired on {date}",
        ours="put the CA's new certificate, or another root that the chain leads to, into {ca}",
        theirs="have the {peer} trust the CA's new certificate",
        our_command="bothways show {ca}",
    )
    NOT_YET_VALID = Row(
        "{subject} is not valid before {date}",
        ours="wait until then, or go on with the certificate that it replaces",
        theirs="wait until then, or have the {peer} go on with the certificate that it replaces",
        our_command=SHOW_OURS,
    )
    OUR_CLOCK = Row(
        "our clock is wrong: it says {now}", ours="set the clock", our_command="date -u; timedatectl status"
    )
    PEERS_CLOCK = Row(
        "the {peer}'s clock is wrong: by ours, {now}, our certificate is valid",
        theirs="have the {peer}'s clock set, or compare it with ours",
        their_command="date -u",
    )
    REVOKED = Row(
        "{subject} was revoked{detail}",
        ours="have a new one issued; a revoked certificate does not come back",
        theirs="the {peer} needs a new certificate; a revoked one does not come back",
        our_command=SHOW_OURS,
    )
    STATUS_UNKNOWN = Row(
        "nobody can tell whether {whose} certificate is revoked: {detail}",
        ours="name the CA's current revocation list, or have it fetched from where it can be reached (--fetch)",
        theirs="have the {peer} load the current revocation list of our CA",
        our_command="bothways verify CERT --ca {ca} --crl CRL",
    )
    STAPLE_MISSING = Row(
        "{whose} certificate demands a current OCSP response along with it, and none came that counts: {detail}",
        ours="staple a current OCSP response of our CA",
        theirs="have stapling switched on at the {peer}: nginx `ssl_stapling on`, Apache `SSLUseStapling on`",
    )
    BAD_STAPLE = Row(
        "the OCSP response that came with {whose} certificate proves nothing about it: {detail}",
        ours="staple a current OCSP response of our CA",
        theirs="have the {peer} staple the response of its own CA anew",
    )
    WRONG_USE = Row(
        "{subject} is for {got}, and not for {wanted}",
        ours="have one issued with the extended key usage {usage}; public CAs have stopped issuing it for clients, so it takes a private CA",
        theirs="the {peer} needs a certificate with the extended key usage {usage}",
        our_command="bothways ca issue DIR --profile {profile} --name NAME --out NEW",
    )
    WRONG_KEY_USAGE = Row(
        "the key usage of {subject} lacks {wanted}",
        ours="have it issued with that key usage",
        theirs="the {peer} needs one with that key usage",
        our_command=SHOW_OURS,
    )
    WRONG_NAME = Row(
        "{whose} certificate is for {got}, not for {wanted}",
        ours="have one issued for that name",
        theirs="connect by a name that it has, or have it issued for this one",
        our_command="bothways ca issue DIR --profile server --dns NAME --out NEW",
        their_command="bothways connect {target} --ca {ca} --name NAME",
    )
    NO_ALTERNATIVE_NAME = Row(
        "{whose} certificate has only a common name; servers are known by subjectAltName alone since 2017",
        ours="have it issued with a subjectAltName",
        theirs="the server needs a certificate with the subjectAltName {wanted}",
        our_command="bothways ca issue DIR --profile server --dns NAME --out NEW",
    )
    NOT_A_WEB_CERTIFICATE = Row(
        "{subject} is not as public web certificates must be: {detail}",
        ours="have it issued as the Baseline Requirements of the CA/Browser Forum ask",
        theirs="if this is a private server, judge it by the private profile; a public one needs a certificate "
        "that follows the Baseline Requirements of the CA/Browser Forum",
        our_command=SHOW_OURS,
    )
    WEAK_KEY = Row(
        "the key of {subject} is too weak: {got}",
        ours="make a new key, P-256 or RSA of at least 2048 bits, and have it certified",
        theirs="the {peer} needs a new key, P-256 or RSA of at least 2048 bits",
        our_command=SHOW_OURS,
    )
    WEAK_SIGNATURE = Row(
        "{subject} is signed with {got}, which is not accepted any more",
        ours="have it issued again with SHA-256 or better",
        theirs="the {peer}'s CA has to issue it again with SHA-256 or better",
        our_command=SHOW_OURS,
    )
    PATH_TOO_LONG = Row(
        "{whose} chain has more CAs below one another than allowed{detail}",
        ours="have the certificate issued by a CA higher up, or the CA with a larger path length",
        theirs="have the {peer}'s certificate issued by a CA higher up",
        our_command=SHOW_OURS,
    )
    DEPTH_LIMIT = Row(
        "the {peer} accepts fewer CA certificates above a client's than ours has: {detail}",
        ours="use a certificate of a CA higher up",
        theirs="have the {peer} accept longer chains: nginx `ssl_verify_depth 3`, Apache `SSLVerifyDepth 3`",
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
        "a CA in {whose} chain may not issue for this name: {detail}",
        ours="have it issued for a permitted name, or by another CA",
        theirs="have it issued for a permitted name, or by another CA",
        our_command=SHOW_OURS,
    )
    NOT_A_CA = Row(
        "{issuer}, which issued {whose} certificate, is no CA that may do so",
        ours="have it issued by a CA",
        theirs="have it issued by a CA",
        our_command=SHOW_OURS,
    )
    SIGNATURE_WRONG = Row(
        "{subject} was altered, or another key of its issuer's name signed it",
        ours="take it again from where it was issued",
        theirs="have the {peer} install it again from its CA",
        our_command=SHOW_OURS,
    )
    UNKNOWN_EXTENSION = Row(
        "{whose} certificate has a critical extension that is not known: {detail}",
        ours="have it issued without",
        theirs="have it issued without, or with the extension not critical",
        our_command=SHOW_OURS,
    )
    POLICY = Row(
        "{whose} chain carries no certificate policy that is wanted",
        ours="have it issued under one of the policies",
        theirs="have it issued under one of the policies",
        our_command=SHOW_OURS,
    )
    UNREADABLE = Row(
        "{whose} certificate cannot be read: {detail}",
        ours="have it issued again",
        theirs="the {peer}'s CA has to issue it again",
        our_command=SHOW_OURS,
    )
    KEY_MISMATCH = Row(
        "{whose} private key does not belong to {whose} certificate",
        ours="give the key that the certificate was requested with",
        theirs="have the {peer} install the key that its certificate was requested with",
        our_command="bothways show {cert} {key}",
    )
    NOT_LET_IN = Row(
        "{whose} certificate is good, but its holder is not on the list of those who may pass",
        ours="have the {peer}'s operator add us: {subject}",
        theirs="add it to those who may pass, if it shall",
        our_command=SHOW_OURS,
    )
    NOT_ACCEPTED = Row(
        "the {peer} does not accept {whose} certificate, and its alert does not say why",
        ours="ask the {peer}'s operator for the line in its log",
        theirs="look into the {peer}'s log",
        our_command=SHOW_OURS,
    )

    # -- between us, and the rest -----------------------------------------------------------------------
    DEVICE_BETWEEN = Row(
        "a device on the way reads or alters the connection: a proxy that inspects TLS, a broken firewall",
        ours="try from another network; ask who runs the proxy here",
    )
    CUT = Row(
        "the network or a device on the way cut the connection",
        ours="try again; then try from another network",
    )
    PEER_STOPPED = Row(
        "the {peer} stopped, crashed or ran into a time limit of its own",
        theirs="look into the {peer}'s log at {now}",
    )
    PEER_CONFIGURED_WRONG = Row(
        "the {peer} could not work with its own configuration: often a certificate or key that it cannot load",
        theirs="look into the {peer}'s log at {now}",
    )
    BEYOND_OUR_LIMITS = Row(
        "the {peer} sends more than we accept from anybody: {detail}",
        ours="check that it is meant to; a Certificate's limit is max_certificate_bytes, the others are fixed",
        theirs="send less: fewer certificates, shorter messages, no floods of what carries no data",
    )
    PEER_BREAKS_RULES = Row(
        "the {peer}'s TLS breaks the protocol: {detail}",
        theirs="update the {peer}, or report this to its maker",
    )
    WE_BREAK_RULES = Row(
        "the {peer} and we read the protocol differently: {detail}",
        ours="report it with a recording of the handshake",
        our_command="bothways connect {target} --ca {ca} --ladder handshake.html",
    )
    RECORDS_DIFFER = Row(
        "the keys of both sides differ, or what was sent was altered on the way",
        ours="try again; then try from another network",
    )
    GAVE_UP = Row(
        "whoever used the {peer} gave up, or it was closed in the middle",
        theirs="nothing, if it does not happen again",
    )
    SLOW = Row(
        "the {peer}, or the way to it, is too slow for the time limit",
        ours="allow more time, or look at the {peer}'s load",
        our_command="bothways connect {target} --ca {ca} --timeout 120",
    )
    PRIVATE_ALERT = Row(
        "the {peer} used an alert that no standard knows; its maker or operator can say what it means",
        theirs="look into the {peer}'s log at {now}",
    )
    RESUMPTION = Row(
        "the {peer} expected an earlier session or a key agreed beforehand, which we do not use here",
        theirs="have full handshakes allowed at the {peer}",
    )
    WANTS_LOGIN = Row(
        "the service wants credentials with the request, which no certificate replaces",
        ours="send them as it asks: a password, a token",
    )
    PROXY_WANTS_LOGIN = Row(
        "a proxy on the way, not the service, asks for credentials",
        ours="give the proxy its credentials, or go without it",
    )
    BACKEND_DOWN = Row(
        "the {peer} passes requests on, and the service behind it does not answer",
        theirs="start the service behind it, or correct where the {peer} looks for it",
    )
    NO_REQUEST = Row(
        "we sent no whole request within the {peer}'s time limit",
        ours="send the request at once",
    )
    REFUSED_BY_SERVICE = Row(
        "TLS succeeded; the service itself turned us away: {detail}",
        theirs="look up what its answer means; its log says more",
    )
