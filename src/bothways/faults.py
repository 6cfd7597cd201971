"""Every fault for which a peer is refused: one table of alert, sentence, rule and hint.

A sentence completes "the peer ...". `blame` raises a fault; the connection adds the step and the party. The names in
braces in a sentence are its facts, which programs read as values. Sections are those of RFC 9846 (TLS 1.3); `tls12`
holds alert and section where TLS 1.2 differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import islice
from typing import NamedTuple, NoReturn

from bothways.iana import Alert
from bothways.roles import Version

FACT_LIMIT = 240


class Check(Enum):
    """The kinds of checks by which a certificate is refused, the one that takes precedence first."""

    ENCODING = ("encoding", "a")
    PATH = ("path", "a")
    SIGNATURE = ("signature", "a")
    REVOCATION = ("revocation", "c")
    VALIDITY = ("validity", "b")
    CONSTRAINT = ("constraint", "a")
    NAME = ("name", "a")
    STATUS = ("revocation status", "c")

    def __init__(self, title: str, letter: str) -> None:
        self.title = title
        self.letter = letter  # of steps 2.3 and 3.3
        self.rank = len(type(self).__members__)


class Row(NamedTuple):
    """One row of the table. `tls12` holds the alert and the rule where RFC 5246 differs."""

    alert: Alert
    sentence: str
    rule: str
    hint: str = ""
    check: Check | None = None
    tls12: tuple[Alert, str] | None = None


class Fault(Enum):
    """A rule that a peer violated, or a reason why it is not accepted."""

    # -- records -----------------------------------------------------------------------------------
    NOT_TLS = Row(Alert.UNEXPECTED_MESSAGE, "does not speak TLS: its first bytes are {start}", "RFC 9846 5.1",
                  "check host and port; {guess}")
    RECORD_TOO_LONG = Row(Alert.RECORD_OVERFLOW, "sent a record of {length} bytes, more than the {limit} allowed",
                          "RFC 9846 5.1",
                          tls12=(Alert.RECORD_OVERFLOW, "RFC 5246 6.2.1"))
    EMPTY_FRAGMENT = Row(Alert.UNEXPECTED_MESSAGE, "sent an empty {content_type} record", "RFC 9846 5.1",
                         tls12=(Alert.UNEXPECTED_MESSAGE, "RFC 5246 6.2.1"))
    UNEXPECTED_RECORD = Row(Alert.UNEXPECTED_MESSAGE, "sent a record of type {got}, which is not allowed here",
                            "RFC 9846 5")
    UNPROTECTED_RECORD = Row(Alert.UNEXPECTED_MESSAGE,
                             "sent an unprotected {got} record after protection had begun", "RFC 9846 5.1")
    BAD_RECORD = Row(Alert.BAD_RECORD_MAC, "sent a record that cannot be decrypted with the current keys",
                     "RFC 9846 5.2", "the bytes were altered on the way, or the two sides have different keys",
                     tls12=(Alert.BAD_RECORD_MAC, "RFC 5246 6.2.3.3"))
    NO_CONTENT_TYPE = Row(Alert.UNEXPECTED_MESSAGE, "sent a protected record that contains only padding",
                          "RFC 9846 5.4")
    BAD_CHANGE_CIPHER_SPEC = Row(Alert.UNEXPECTED_MESSAGE, "sent a change_cipher_spec that {problem}",
                                 "RFC 9846 5",
                                 tls12=(Alert.UNEXPECTED_MESSAGE, "RFC 5246 7.1"))
    TOO_MANY_EMPTY_RECORDS = Row(Alert.UNEXPECTED_MESSAGE, "sent {count} {what}",
                                 "RFC 9846 5.1")
    MESSAGE_SPANS_KEY_CHANGE = Row(Alert.UNEXPECTED_MESSAGE, "sent a message that spans a change of keys, or follows a hello in its record",
                                   "RFC 9846 5.1")
    INTERLEAVED = Row(Alert.UNEXPECTED_MESSAGE, "sent a {got} record between the fragments of a handshake message",
                      "RFC 9846 5.1")
    RECORD_LIMIT_REACHED = Row(Alert.UNEXPECTED_MESSAGE, "sent more records under one key than its limit allows",
                               "RFC 9846 5.5", "the peer should have sent a KeyUpdate")

    # -- messages ----------------------------------------------------------------------------------
    UNDECODABLE = Row(Alert.DECODE_ERROR, "sent bytes that cannot be decoded: {place}: {problem}", "RFC 9846 3",
                      tls12=(Alert.DECODE_ERROR, "RFC 5246 4"))
    MESSAGE_TOO_LONG = Row(Alert.DECODE_ERROR, "announced a {message} of {length} bytes, more than our limit of {limit}",
                           "RFC 9846 4")
    UNEXPECTED_MESSAGE = Row(Alert.UNEXPECTED_MESSAGE, "sent {got} when only {expected} is allowed", "RFC 9846 4",
                             tls12=(Alert.UNEXPECTED_MESSAGE, "RFC 5246 7.4"))
    DUPLICATE_EXTENSION = Row(Alert.ILLEGAL_PARAMETER, "sent the extension {extension} twice in one {message}",
                              "RFC 9846 4.3")
    MISPLACED_EXTENSION = Row(Alert.ILLEGAL_PARAMETER, "sent the extension {extension} in a {message}, where it is not allowed",
                              "RFC 9846 4.3")
    UNSOLICITED_EXTENSION = Row(Alert.UNSUPPORTED_EXTENSION, "answered with the extension {extension}, which was not requested",
                                "RFC 9846 4.3")
    MISSING_EXTENSION = Row(Alert.MISSING_EXTENSION, "sent a {message} without the required extension {extension}",
                            "RFC 9846 9.2")

    # -- hello -------------------------------------------------------------------------------------
    UNSUPPORTED_VERSION = Row(Alert.PROTOCOL_VERSION, "offers {offered}; we accept {accepted}", "RFC 9846 4.3.1",
                              "have the peer offer {accepted}{otherwise}")
    UNOFFERED_VERSION = Row(Alert.PROTOCOL_VERSION, "chose {got}; we offered {offered}", "RFC 9846 4.3.1",
                            "the server is too old for this configuration")
    ILLEGAL_VERSION = Row(Alert.ILLEGAL_PARAMETER, "chose version {got} in supported_versions, where only TLS 1.3 or an offered version is allowed",
                          "RFC 9846 4.3.1")
    DOWNGRADED = Row(Alert.ILLEGAL_PARAMETER, "chose {got} with the downgrade marker of a server that also supports TLS 1.3: the hello messages were altered on the way",
                     "RFC 9846 4.2.3", "look for a device on the network path that alters the traffic")
    ILLEGAL_LEGACY_VERSION = Row(Alert.ILLEGAL_PARAMETER, "set legacy_version to {got}", "RFC 9846 4.2.3")
    BAD_COMPRESSION = Row(Alert.ILLEGAL_PARAMETER, "offers the compression methods {got}; TLS 1.3 allows only null",
                          "RFC 9846 4.2.2")
    UNOFFERED_COMPRESSION = Row(Alert.ILLEGAL_PARAMETER, "chose compression {got}; only null was offered", "RFC 9846 4.2.3",
                                tls12=(Alert.ILLEGAL_PARAMETER, "RFC 5246 7.4.1.3"))
    UNOFFERED_CIPHER_SUITE = Row(Alert.ILLEGAL_PARAMETER, "chose cipher suite {got}, which we did not offer", "RFC 9846 4.2.3",
                                 tls12=(Alert.ILLEGAL_PARAMETER, "RFC 5246 7.4.1.3"))
    CHANGED_CIPHER_SUITE = Row(Alert.ILLEGAL_PARAMETER, "chose {got} after its HelloRetryRequest had chosen {before}",
                               "RFC 9846 4.2.4")
    CHANGED_VERSION = Row(Alert.ILLEGAL_PARAMETER, "changed the version after its HelloRetryRequest", "RFC 9846 4.2.4")
    WRONG_SESSION_ID = Row(Alert.ILLEGAL_PARAMETER, "did not echo our session ID", "RFC 9846 4.2.3")
    NO_SHARED_CIPHER_SUITE = Row(Alert.HANDSHAKE_FAILURE, "offers no cipher suite that we accept: it offers {offered}, we accept {accepted}",
                                 "RFC 9846 4.2.1", "allow a cipher suite on both sides",
                                 tls12=(Alert.HANDSHAKE_FAILURE, "RFC 5246 7.4.1.3"))
    NO_SHARED_GROUP = Row(Alert.HANDSHAKE_FAILURE, "offers no key exchange group that we accept: it offers {offered}, we accept {accepted}",
                          "RFC 9846 4.2.1", "allow a group on both sides")
    NO_CERTIFICATE_ON_OFFERED_CURVE = Row(Alert.HANDSHAKE_FAILURE, "offers none of the elliptic curves of our certificates: it offers {offered}, our certificates have {accepted}",
                                          "RFC 8422 5.3", "use a certificate with a P-256 or RSA key, or allow the curve in the client")
    NO_SHARED_SCHEME = Row(Alert.HANDSHAKE_FAILURE, "accepts none of the signature schemes that our private key can use: it accepts {offered}, we can use {accepted}",
                           "RFC 9846 4.3.3", "use a certificate with another kind of key",
                           tls12=(Alert.HANDSHAKE_FAILURE, "RFC 5246 7.4.1.4.1"))
    NO_SHARED_APPLICATION_PROTOCOL = Row(Alert.NO_APPLICATION_PROTOCOL, "offers no application protocol that we accept: it offers {offered}, we accept {accepted}",
                                         "RFC 7301 3.2", "configure an ALPN name that both sides accept")
    UNOFFERED_APPLICATION_PROTOCOL = Row(Alert.ILLEGAL_PARAMETER, "chose the application protocol {got}; we offered {offered}",
                                         "RFC 7301 3.1")
    UNKNOWN_SERVER_NAME = Row(Alert.UNRECOGNIZED_NAME, "asks for the server name {name}, for which we have no credentials",
                              "RFC 6066 3")
    BAD_SERVER_NAME = Row(Alert.ILLEGAL_PARAMETER, "asks for the server name {name}, which {problem}", "RFC 6066 3")
    UNOFFERED_GROUP = Row(Alert.ILLEGAL_PARAMETER, "chose group {got}, which we did not offer", "RFC 9846 4.3.8",
                          tls12=(Alert.ILLEGAL_PARAMETER, "RFC 8422 5.4"))
    UNOFFERED_SHARE = Row(Alert.ILLEGAL_PARAMETER, "sent a key share for {got}, which is not in its own supported_groups",
                          "RFC 9846 4.3.8")
    DUPLICATE_SHARE = Row(Alert.ILLEGAL_PARAMETER, "sent two key shares for {got}", "RFC 9846 4.3.8")
    BAD_SHARE = Row(Alert.ILLEGAL_PARAMETER, "sent a key share for {group} that is no valid public key", "RFC 9846 4.3.8",
                    tls12=(Alert.ILLEGAL_PARAMETER, "RFC 8422 5.11"))
    SECOND_RETRY = Row(Alert.UNEXPECTED_MESSAGE, "sent a second HelloRetryRequest", "RFC 9846 4.2.4")
    USELESS_RETRY = Row(Alert.ILLEGAL_PARAMETER, "sent a HelloRetryRequest that would not change the ClientHello", "RFC 9846 4.2.4")
    RETRY_FOR_SENT_SHARE = Row(Alert.ILLEGAL_PARAMETER, "sent a HelloRetryRequest for {got}, for which we had sent a key share", "RFC 9846 4.3.8")
    WRONG_SHARE_AFTER_RETRY = Row(Alert.ILLEGAL_PARAMETER, "sent a key share for {got} although {asked} was agreed", "RFC 9846 4.3.8")
    CHANGED_HELLO = Row(Alert.ILLEGAL_PARAMETER, "changed {field} in its second ClientHello", "RFC 9846 4.2.2")
    WRONG_COOKIE = Row(Alert.ILLEGAL_PARAMETER, "did not return our cookie unchanged", "RFC 9846 4.3.2")
    EARLY_DATA = Row(Alert.UNEXPECTED_MESSAGE, "sent early data, which we did not accept, beyond the {limit} bytes that we skip",
                     "RFC 9846 4.3.10")
    BAD_RECORD_SIZE_LIMIT = Row(Alert.ILLEGAL_PARAMETER, "limits records to {got} bytes, where {allowed} is possible", "RFC 8449 4")
    DUPLICATE_ENTRY = Row(Alert.ILLEGAL_PARAMETER, "listed {entry} twice in {place}", "RFC 9846 4.3.7")
    BINDER_NOT_LAST = Row(Alert.ILLEGAL_PARAMETER, "put an extension after pre_shared_key", "RFC 9846 4.3.11")

    BINDERS_DO_NOT_FIT = Row(Alert.ILLEGAL_PARAMETER, "offers {keys} shared keys with {binders} binders, where each has one", "RFC 9846 4.3.11")
    BAD_BINDER = Row(Alert.DECRYPT_ERROR, "offers a session without having its key, or sent a ClientHello that was altered on the way: the binder is wrong",
                     "RFC 9846 4.3.11", "delete the sessions of the client; if it happens again, look for a device on the network path that alters the traffic")
    UNOFFERED_PSK = Row(Alert.ILLEGAL_PARAMETER, "chose shared key {got}, of {offered} that we offered", "RFC 9846 4.3.11")
    PSK_OF_OTHER_HASH = Row(Alert.ILLEGAL_PARAMETER, "chose a pre-shared key with the cipher suite {got}, whose hash differs from that of {before}",
                            "RFC 9846 4.3.11")
    PSK_WITHOUT_SHARE = Row(Alert.ILLEGAL_PARAMETER, "chose a pre-shared key without a key share, which we did not offer", "RFC 9846 4.3.11")
    UNKNOWN_PSK = Row(Alert.UNKNOWN_PSK_IDENTITY, "offers no pre-shared key that we accept: {problem}", "RFC 9846 4.3.11",
                      "give both sides the same identity, secret and hash, and each the name of the other")
    PSK_NOT_CHOSEN = Row(Alert.HANDSHAKE_FAILURE, "chose no pre-shared key of ours, and we have no trust anchors or pins to verify it otherwise", "RFC 9846 4.3.11",
                         "give both sides the same identity, secret and hash, and each the name of the other")

    BAD_INNER_HELLO = Row(Alert.ILLEGAL_PARAMETER, "sent an encrypted ClientHello that {problem}", "RFC 9849 5.1")
    INNER_HELLO_IN_CLEAR = Row(Alert.ILLEGAL_PARAMETER, "sent an encrypted_client_hello of type {got} outside of an encrypted ClientHello", "RFC 9849 7")
    CHANGED_ECH = Row(Alert.ILLEGAL_PARAMETER, "changed {field} of encrypted_client_hello in its second ClientHello", "RFC 9849 7.1.1")
    UNREADABLE_INNER_HELLO = Row(Alert.DECRYPT_ERROR, "sent a second encrypted ClientHello that cannot be decrypted, after one that could", "RFC 9849 7.1.1")
    ECH_NOT_CONFIRMED = Row(Alert.ILLEGAL_PARAMETER, "confirmed the encrypted ClientHello in its HelloRetryRequest and not in its ServerHello", "RFC 9849 6.1.5")
    ECH_REJECTED = Row(Alert.ECH_REQUIRED, "did not decrypt our encrypted ClientHello, and {answered}", "RFC 9849 6.1.6",
                       "{remedy}")

    # -- hello of TLS 1.2 ----------------------------------------------------------------------------
    LACKS_NULL_COMPRESSION = Row(Alert.ILLEGAL_PARAMETER, "offers the compression methods {offered} without null, which is mandatory", "RFC 5246 7.4.1.2")
    NEEDLESS_FALLBACK = Row(Alert.INAPPROPRIATE_FALLBACK, "fell back to an older version although we support {best}", "RFC 7507 3",
                            "have the client offer its highest version first; a device on the network path may have made that attempt fail")
    NO_UNCOMPRESSED_POINTS = Row(Alert.ILLEGAL_PARAMETER, "sent EC point formats without uncompressed", "RFC 8422 5.1.2")
    BAD_RENEGOTIATION_INFO = Row(Alert.HANDSHAKE_FAILURE, "sent a renegotiation_info of an earlier handshake on a new connection", "RFC 5746 3.6",
                                 "look for a device on the network path that alters the traffic")
    NO_SECURE_RENEGOTIATION = Row(Alert.HANDSHAKE_FAILURE, "does not support secure renegotiation, without which an attacker can insert data before ours", "RFC 5746 4.1",
                                  "update the server")
    NO_EXTENDED_MAIN_SECRET = Row(Alert.HANDSHAKE_FAILURE, "does not support the extended main secret, which binds the keys to the handshake", "RFC 7627 5",
                                  "update the peer, or allow it by insecure_without_extended_main_secret")
    RESUMED_UNKNOWN_SESSION = Row(Alert.ILLEGAL_PARAMETER, "resumes a session that we do not have", "RFC 5246 7.4.1.3")
    RESUMED_WITH_OTHER_SUITE = Row(Alert.ILLEGAL_PARAMETER, "resumes a session with the cipher suite {got}, which began with {before}", "RFC 5246 7.4.1.3")
    SCHEME_DOES_NOT_FIT_SUITE = Row(Alert.ILLEGAL_PARAMETER, "signed its key exchange with {got}, which the cipher suite {suite} does not allow", "RFC 8422 5.4")

    CERTIFICATE_ON_UNOFFERED_CURVE = Row(Alert.ILLEGAL_PARAMETER, "sent a certificate with a key on the curve {got}, which we did not offer; we offered {offered}", "RFC 8422 5.3",
                                         "allow the curve in our `groups`, or use another certificate on the server")

    # -- authentication ----------------------------------------------------------------------------
    NO_CERTIFICATE = Row(Alert.CERTIFICATE_REQUIRED, "sent no certificate although we require one", "RFC 9846 4.5.1.4",
                         "give the client a certificate and its key",
                         tls12=(Alert.HANDSHAKE_FAILURE, "RFC 5246 7.4.6"))
    NO_CERTIFICATE_AFTER_ECH = Row(Alert.CERTIFICATE_REQUIRED, "sent no certificate although we require one, after an encrypted ClientHello that we cannot decrypt", "RFC 9849 6.1.7",
                                   "a client with an old configuration sends none, and connects again by the new one that it got; publish the current configuration where clients find it")
    EMPTY_SERVER_CERTIFICATE = Row(Alert.DECODE_ERROR, "sent a Certificate message without a certificate, which a server must not do", "RFC 9846 4.5.1.4",
                                   tls12=(Alert.DECODE_ERROR, "RFC 5246 7.4.2"))
    WRONG_REQUEST_CONTEXT = Row(Alert.ILLEGAL_PARAMETER, "sent a certificate_request_context that is not the one of the request", "RFC 9846 4.5.1")
    UNOFFERED_CERTIFICATE_COMPRESSION = Row(Alert.ILLEGAL_PARAMETER, "compressed its certificate with {got}, which we did not offer; we offered {offered}", "RFC 8879 4")
    BAD_COMPRESSED_CERTIFICATE = Row(Alert.BAD_CERTIFICATE, "sent a compressed certificate that {problem}", "RFC 8879 4")
    UNOFFERED_SCHEME = Row(Alert.ILLEGAL_PARAMETER, "signed with {got}, which we did not offer", "RFC 9846 4.5.2",
                           tls12=(Alert.ILLEGAL_PARAMETER, "RFC 5246 7.4.3"))
    SCHEME_DOES_NOT_FIT_KEY = Row(Alert.ILLEGAL_PARAMETER, "signed with {got}, which does not fit the {key} key of its certificate",
                                  "RFC 9846 4.5.2")
    KEY_DOES_NOT_FIT_SUITE = Row(Alert.UNSUPPORTED_CERTIFICATE, "sent a certificate with a {key} key, which cannot be used for the key exchange of its cipher suite",
                                 "RFC 5246 7.4.2", "have the server choose another cipher suite, or give it an RSA certificate")
    NO_SHARED_CERTIFICATE_TYPE = Row(Alert.UNSUPPORTED_CERTIFICATE, "supports only {offered} to authenticate the {whose}, where we accept {accepted}", "RFC 7250 4.2",
                                     "give both sides a certificate, or give the {whose} a raw public key that the other side pins")
    UNOFFERED_CERTIFICATE_TYPE = Row(Alert.ILLEGAL_PARAMETER, "chose {got} to authenticate the {whose}, where we offered {offered}", "RFC 7250 4.2")
    SEVERAL_RAW_KEYS = Row(Alert.ILLEGAL_PARAMETER, "sent a Certificate message with {count} entries, where one raw public key without extensions is expected: {problem}", "RFC 9846 4.5.1")
    BAD_CERTIFICATE_VERIFY = Row(Alert.DECRYPT_ERROR, "does not have the private key of the certificate that it sent: its signature does not verify",
                                 "RFC 9846 4.5.2", "check that certificate and key belong together",
                                 tls12=(Alert.DECRYPT_ERROR, "RFC 5246 7.4.8"))
    BAD_FINISHED = Row(Alert.DECRYPT_ERROR, "sent a Finished that does not match the messages we sent and received: one was altered on the way, or the keys differ",
                       "RFC 9846 4.5.3", "look for a device on the network path that alters the traffic",
                       tls12=(Alert.DECRYPT_ERROR, "RFC 5246 7.4.9"))

    # -- certificates (trust) ------------------------------------------------------------------------
    BAD_ENCODING = Row(Alert.BAD_CERTIFICATE, "sent a certificate that cannot be parsed: {problem}", "RFC 5280 4.1",
                       "issue a new certificate", check=Check.ENCODING)
    CHAIN_TOO_LARGE = Row(Alert.BAD_CERTIFICATE, "sent a chain of {got} {unit}, more than our limit of {limit}", "RFC 5280 6.1",
                          "send only the leaf certificate and its intermediates", check=Check.ENCODING)
    NO_PATH = Row(Alert.UNKNOWN_CA, "sent a certificate issued by {issuer}, from which no path leads to one of our trust anchors", "RFC 5280 6.1",
                  "{advice}", check=Check.PATH)
    PATH_SEARCH_EXHAUSTED = Row(Alert.BAD_CERTIFICATE, "sent a chain in which the search for a path takes more work than is allowed ({unit} until then: {limit})", "RFC 5280 6.1",
                                "send only the leaf certificate and its intermediates", check=Check.PATH)
    PATH_TOO_LONG = Row(Alert.UNKNOWN_CA, "sent a certificate whose path is longer than our limit of {limit} certificates",
                        "RFC 5280 6.1", check=Check.PATH)
    BAD_CERTIFICATE_SIGNATURE = Row(Alert.BAD_CERTIFICATE, "sent a certificate whose signature does not verify under the key of {issuer}", "RFC 5280 6.1.3",
                                    "the certificate was altered, or was signed with another key of an issuer of that name", check=Check.SIGNATURE)
    WEAK_HASH = Row(Alert.BAD_CERTIFICATE, "sent a certificate signed with {got}, which is too weak", "RFC 9846 4.5.1.4",
                    "issue a new one, signed with SHA-256 or stronger", check=Check.SIGNATURE)
    UNSUPPORTED_SIGNATURE = Row(Alert.UNSUPPORTED_CERTIFICATE, "sent a certificate signed with {got}, which we do not accept", "RFC 9846 4.3.3",
                                check=Check.SIGNATURE)
    BAD_RAW_KEY = Row(Alert.BAD_CERTIFICATE, "sent a raw public key that cannot be used: {problem}", "RFC 7250 3",
                      "give the peer a key of P-256, Ed25519 or RSA of at least 2048 bits", check=Check.ENCODING)
    RAW_KEY_NOT_PINNED = Row(Alert.CERTIFICATE_UNKNOWN, "sent a raw public key that is not pinned (SHA-256 {digest})", "RFC 7250 6",
                             "if you know from elsewhere that this is the peer's key, pin it", check=Check.PATH)
    PSK_REMOVED = Row(Alert.ACCESS_DENIED, "authenticated by a pre-shared key that is not in use any more, that of {name}", "RFC 9846 6.2",
                      "if it should connect, give both sides a new key", check=Check.PATH)
    WEAK_KEY = Row(Alert.BAD_CERTIFICATE, "sent a certificate with a key that is too weak: {got}", "RFC 9325 4.5",
                   "use P-256, Ed25519 or RSA of at least 2048 bits", check=Check.SIGNATURE)
    REVOKED = Row(Alert.CERTIFICATE_REVOKED, "sent a certificate that was revoked on {revoked_at:%Y-%m-%d %H:%M} ({reason})", "RFC 5280 6.3.3",
                  "the peer needs a new certificate, unless this one is only on hold", check=Check.REVOCATION)
    REVOCATION_UNKNOWN = Row(Alert.CERTIFICATE_UNKNOWN, "sent a certificate whose revocation status cannot be determined: {problem}", "RFC 5280 6.3.3",
                             "{advice}", check=Check.STATUS)
    STAPLE_REQUIRED = Row(Alert.BAD_CERTIFICATE_STATUS_RESPONSE, "sent no valid OCSP response, which {required_by} requires: {problem}", "RFC 7633 4.2.3.1",
                          "have the peer staple a current OCSP response of its CA", check=Check.STATUS)
    BAD_STAPLE = Row(Alert.BAD_CERTIFICATE_STATUS_RESPONSE, "stapled an OCSP response that does not prove the status of its certificate: {problem}", "RFC 6066 8",
                     "have the peer staple the response of its own CA; if it does, look for a device on the network path that alters the traffic", check=Check.STATUS)
    CERTIFICATE_EXPIRED = Row(Alert.CERTIFICATE_EXPIRED, "sent a certificate that expired on {not_after:%Y-%m-%d}", "RFC 5280 6.1.3",
                              "renew the peer's certificate", check=Check.VALIDITY)
    CERTIFICATE_NOT_YET_VALID = Row(Alert.CERTIFICATE_EXPIRED, "sent a certificate that is not valid before {not_before:%Y-%m-%d %H:%M}", "RFC 5280 6.1.3",
                                    "wait, or correct the clock: our clock says {now:%Y-%m-%d %H:%M}", check=Check.VALIDITY)
    NOT_A_CA = Row(Alert.BAD_CERTIFICATE, "sent a certificate issued by {issuer}, which is not a CA", "RFC 5280 6.1.4",
                   "have a CA issue it", check=Check.CONSTRAINT)
    PATH_LENGTH_EXCEEDED = Row(Alert.BAD_CERTIFICATE, "sent a path with more CA certificates below {issuer} than its path length constraint of {limit} allows", "RFC 5280 6.1.4",
                               check=Check.CONSTRAINT)
    KEY_MAY_NOT_SIGN_CERTIFICATES = Row(Alert.BAD_CERTIFICATE, "sent a certificate issued by {issuer}, whose key usage lacks keyCertSign", "RFC 5280 6.1.4",
                                        check=Check.CONSTRAINT)
    WRONG_KEY_USAGE = Row(Alert.UNSUPPORTED_CERTIFICATE, "sent a certificate whose key usage lacks {wanted}", "RFC 5280 4.2.1.3",
                          "issue it with that key usage", check=Check.CONSTRAINT)
    WRONG_EXTENDED_KEY_USAGE = Row(Alert.UNSUPPORTED_CERTIFICATE, "sent a certificate that may not be used for {wanted}: it allows {got}", "RFC 5280 4.2.1.12",
                                   "issue it with the extended key usage {wanted}", check=Check.CONSTRAINT)
    UNKNOWN_CRITICAL_EXTENSION = Row(Alert.UNSUPPORTED_CERTIFICATE, "sent a certificate with the critical extension {oid}, which we do not support", "RFC 5280 4.2",
                                     check=Check.CONSTRAINT)
    NAME_NOT_PERMITTED = Row(Alert.BAD_CERTIFICATE, "sent a certificate for {name}, which is not within the names that {issuer} permits", "RFC 5280 6.1.3",
                             "issue it for a permitted name, or by another CA", check=Check.CONSTRAINT)
    NAME_EXCLUDED = Row(Alert.BAD_CERTIFICATE, "sent a certificate for {name}, which {issuer} excludes", "RFC 5280 6.1.3",
                        "issue it for a permitted name, or by another CA", check=Check.CONSTRAINT)
    NAME_NOT_COMPARABLE = Row(Alert.BAD_CERTIFICATE, "sent a certificate for {name}, a kind of name that {issuer} constrains in a form that we cannot process", "RFC 5280 4.2.1.10",
                              "that CA has to constrain DNS names, mailboxes, IP addresses, URIs or directory names only, without minimum and maximum", check=Check.CONSTRAINT)
    NO_VALID_POLICY = Row(Alert.BAD_CERTIFICATE, "sent a path on which no certificate policy is valid throughout, although one is required", "RFC 5280 6.1.5",
                          "issue all certificates of the path under one of the policies wanted: {wanted}", check=Check.CONSTRAINT)
    BAD_POLICY_MAPPING = Row(Alert.BAD_CERTIFICATE, "sent a certificate that maps a policy from or to anyPolicy", "RFC 5280 6.1.4",
                             check=Check.CONSTRAINT)
    NOT_A_WEB_CERTIFICATE = Row(Alert.BAD_CERTIFICATE, "sent a certificate that breaks a rule of the web profile: {problem}", "CA/Browser Forum BR 7.1.2",
                                "have it issued by the rules for public web certificates, or verify this server by the private profile", check=Check.CONSTRAINT)
    NAME_MISMATCH = Row(Alert.BAD_CERTIFICATE, "sent a certificate for {got}, not for {wanted}", "RFC 9525 6.3",
                        "connect to a name that the certificate contains, or issue it for {wanted}", check=Check.NAME)
    NO_SERVER_NAMES = Row(Alert.BAD_CERTIFICATE, "sent a certificate without subjectAltName, so it is valid for no server name: the common name is not compared", "RFC 9525 6.3",
                          "issue the certificate of the server itself, which has to be the first one, with the subjectAltName {wanted}", check=Check.NAME)

    # -- access (allow) ------------------------------------------------------------------------------
    ACCESS_REFUSED = Row(Alert.ACCESS_DENIED, "is not allowed to connect: {reason}", "RFC 9846 6.2",
                         "if it should be allowed, add a rule for it to `allow`", tls12=(Alert.ACCESS_DENIED, "RFC 5246 7.2.2"))

    # -- after the handshake, and time -----------------------------------------------------------------
    BAD_KEY_UPDATE = Row(Alert.ILLEGAL_PARAMETER, "sent a KeyUpdate whose request_update is {got}", "RFC 9846 4.7.3")
    TOO_MANY_KEY_UPDATES = Row(Alert.UNEXPECTED_MESSAGE, "sent {count} messages without data between them", "RFC 9846 4.7.3")
    HANDSHAKE_TIMEOUT = Row(Alert.USER_CANCELED, "did not finish the handshake within {seconds:g} seconds", "RFC 9846 6.1")
    NO_ANSWER_TO_REQUEST = Row(Alert.CERTIFICATE_REQUIRED, "did not answer our request for its certificate within {seconds:g} seconds", "RFC 9846 4.7.2",
                               "allow more seconds if a user of the client has to be asked")
    DATA_BEFORE_CERTIFICATE = Row(Alert.CERTIFICATE_REQUIRED, "sent more than {limit} bytes of data before it answered our request for its certificate",
                                  "RFC 9846 4.7.2", "request the certificate before the client sends much, or allow more data")

    @property
    def alert(self) -> Alert:
        """The alert that the peer gets (in TLS 1.3)."""
        return self.value.alert

    @property
    def sentence(self) -> str:
        """What the peer did, with its facts in braces; completes "the peer ..."."""
        return self.value.sentence

    @property
    def rule(self) -> str:
        """The document and section that state the rule."""
        return self.value.rule

    @property
    def hint(self) -> str:
        """What to do about it, or "" if there is no advice."""
        return self.value.hint

    @property
    def check(self) -> Check | None:
        """Which check of a certificate failed; None for rules of the protocol."""
        return self.value.check


class Blame(Exception):
    """A fault before the connection has added step and party to it. Never leaves the engine."""

    def __init__(
        self,
        fault: Fault,
        facts: Mapping[str, object],
        reasons: tuple[Reason, ...] = (),
        left_out: int = 0,
    ) -> None:
        super().__init__(fault.name)
        self.fault = fault
        self.facts = facts
        self.reasons = reasons
        self.left_out = left_out


def blame(fault: Fault, **facts: object) -> NoReturn:
    """Raise `Blame` for a fault of the peer. facts: the values for the braces in its sentence."""
    raise Blame(fault, facts)


def alert_of(fault: Fault, version: Version | None = None) -> Alert:
    """Return the alert that is sent for a fault: that of TLS 1.3, unless TLS 1.2 was chosen and has another."""
    row = fault.value
    return row.tls12[0] if version is Version.TLS12 and row.tls12 else row.alert


def rule_of(fault: Fault, facts: Mapping[str, object], version: Version | None = None) -> str:
    """Return the document and section of the rule that was broken: `source` of the facts, or else that of the row."""
    row = fault.value
    if "source" in facts:
        return shown(facts["source"])
    return row.tls12[1] if version is Version.TLS12 and row.tls12 else row.rule


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for which a certificate path was refused.

    `position` counts from the leaf (0) towards the trust anchor; None means the path as a whole.
    `subject` is the subject of the certificate at that position.
    """

    fault: Fault
    position: int | None = None
    subject: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """The document and section that state the rule."""
        return rule_of(self.fault, self.facts)

    def __str__(self) -> str:
        if "anchor" in self.facts:
            return f"our trust anchor {shown(self.subject)} {_of_anchor(self.fault, self.facts)}"
        subject = f" ({shown(self.subject)})" if self.subject else ""
        place = "" if self.position is None else f"certificate {self.position}{subject}: "
        return place + sentence_of(self.fault, self.facts)


# What is wrong with a trust anchor of ours; a fault has the fact "anchor", its subject, where it is about one.
OF_ANCHOR: Mapping[Fault, str] = {
    Fault.CERTIFICATE_EXPIRED: "expired on {not_after:%Y-%m-%d}",
    Fault.CERTIFICATE_NOT_YET_VALID: "is not valid before {not_before:%Y-%m-%d %H:%M}",
    Fault.WEAK_KEY: "has a key that is too weak: {got}",
    Fault.UNKNOWN_CRITICAL_EXTENSION: "has the critical extension {oid}, which we do not support",
    Fault.WRONG_EXTENDED_KEY_USAGE: "may not be used for {wanted}: it allows {got}",
    Fault.NOT_A_CA: "is not a CA",
    Fault.KEY_MAY_NOT_SIGN_CERTIFICATES: "has a key usage that lacks keyCertSign",
    Fault.PATH_LENGTH_EXCEEDED: "allows {limit} CA certificates below it, and there are more",
}
_ANCHOR_ADVICE = "put the current certificate of that CA, or another root of the chain, among our trust anchors"


def sentence_of(fault: Fault, facts: Mapping[str, object]) -> str:
    """Return what the peer did, as a sentence that completes "the peer ..."."""
    if "anchor" in facts:
        lead = sentence("sent a certificate that leads to our trust anchor {anchor}", facts)
        return f"{lead}, which {_of_anchor(fault, facts)}"
    return sentence(fault.sentence, facts)


def hint_of(fault: Fault, facts: Mapping[str, object]) -> str:
    """Return what to do about a fault, or "" if there is no advice."""
    return _ANCHOR_ADVICE if "anchor" in facts else sentence(fault.hint, facts)


def _of_anchor(fault: Fault, facts: Mapping[str, object]) -> str:
    return sentence(OF_ANCHOR[fault], facts)


class _Fact:
    """A fact as a part of a sentence: escaped and of bounded length; formatting it never fails."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        if isinstance(self._value, (datetime, int, float)) and spec:
            return format(self._value, spec)
        return shown(self._value)


class _Facts(dict[str, object]):
    def __missing__(self, name: str) -> object:
        return _Fact("?")


def shown(value: object) -> str:
    """Return `value` as text that is safe on any terminal or page: printable ASCII, of bounded length."""
    if isinstance(value, (list, tuple, set, frozenset)):
        text = ", ".join(shown(each) for each in islice(value, FACT_LIMIT)) or "none"
    elif isinstance(value, (bytes, bytearray)):
        text = bytes(value[: FACT_LIMIT // 2]).hex()
    else:
        text = ascii(str(value))[1:-1]
    return text if len(text) <= FACT_LIMIT else text[: FACT_LIMIT - 3] + "..."


def sentence(template: str, facts: Mapping[str, object]) -> str:
    """Fill the braces of a sentence or a hint with facts, each escaped and bounded."""
    return template.format_map(_Facts({name: _Fact(value) for name, value in facts.items()}))
