"""The words of TLS implementations about a certificate are read in every spelling, and no others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bothways.diagnosis.replies.certificate_texts import EXAMINED, about_certificates, verification_time
from bothways.diagnosis.replies.texts import Meaning

OF_GO = "x509: certificate has expired or is not yet valid: current time 2029-06-01T00:00:00Z is after 2027-11-30T01:13"
TEXTS: list[tuple[str, str | None]] = [
    ("CERT_HAS_EXPIRED", "EXPIRED"),
    ("{\"error\":\"CERT_REVOKED\"}", "REVOKED"),
    ("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNTRUSTED"),
    ("DEPTH_ZERO_SELF_SIGNED_CERT", "UNTRUSTED"),
    ("SELF_SIGNED_CERT_IN_CHAIN", "UNTRUSTED"),
    ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "UNTRUSTED"),
    ("CERT_NOT_YET_VALID", "NOT_YET_VALID"),
    ("CRL_HAS_EXPIRED", "STATUS"),
    ("UNABLE_TO_GET_CRL", "STATUS"),
    ('{"client_cert_error":"client_cert_chain_invalid_eku"}', "USE"),
    ("client_cert_invalid_rsa_key_size", "WEAK"),
    ("client_cert_chain_exceeded_limit", "CHAIN_LONG"),
    ("client_cert_not_provided", "WANTED"),
    ("client_cert_validation_failed", "WRONG"),
    ('{"error":"x-forwarded-client-cert header missing"}', "WANTED"),
    ("missing X-SSL-Client-Cert header", "WANTED"),
    ("CERT_CHAIN_TOO_LONG", "CHAIN_LONG"),
    ("INVALID_PURPOSE", "USE"),
    ("INVALID_CA", "NOT_CA"),
    ("PATH_LENGTH_EXCEEDED", "CHAIN_LONG"),
    ("CERT_SIGNATURE_FAILURE", "SIGNATURE"),
    ("CERT_UNTRUSTED", "UNTRUSTED"),
    ("CERT_REJECTED", "WRONG"),
    (OF_GO, "EXPIRED"),
    (
        ("x509: certificate has expired or is not yet valid: current time 2019-06-01T00:00:00Z is "
        "before 2027-11-30T01:13:17Z"),
        "NOT_YET_VALID",
    ),
    ("x509: certificate has expired or is not yet valid", "EXPIRED"),
    ("x509: certificate signed by unknown authority", "UNTRUSTED"),
    ("x509: certificate specifies an incompatible key usage", "USE"),
    ("x509: certificate is not authorized to sign other certificates", "NOT_CA"),
    ("x509: a root or intermediate certificate is not authorized to sign for this name: x", "NAMES"),
    ("x509: too many intermediates for path length constraint", "CHAIN_LONG"),
    ("tls: client didn't provide a certificate", "WANTED"),
    ("PKIX path validation failed: java.security.cert.CertPathValidatorException: validity check failed", "EXPIRED"),
    ("java.security.cert.CertificateExpiredException: NotAfter: Tue", "EXPIRED"),
    ("CertificateNotYetValidException: NotBefore", "NOT_YET_VALID"),
    ("java.security.cert.CertificateRevokedException: Certificate has been revoked, reason: KEY", "REVOKED"),
    (
        ("PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: "
        "unable to find valid certification path to requested target"),
        "UNTRUSTED",
    ),
    ("Could not determine revocation status", "STATUS"),
    ("Extended key usage does not permit use for TLS client authentication", "USE"),
    ("Empty client certificate chain", "WANTED"),
    ("Algorithm constraints check failed on signature algorithm: SHA1withRSA", "WEAK"),
    ("Path does not chain with any of the trust anchors", "UNTRUSTED"),
    ("signature check failed", "SIGNATURE"),
    ("pathLenConstraint violated - this cert must be the last", "CHAIN_LONG"),
    ("basic constraints check failed: this is not a CA certificate", "NOT_CA"),
    ("x509: certificate relies on legacy Common Name field, use SANs instead", "NAMELESS"),
    ("certificate has no subjectAltName of type URI (SPIFFE ID)", "NAMELESS"),
    ("invalid peer certificate: Expired", "EXPIRED"),
    ("invalid peer certificate: UnknownIssuer", "UNTRUSTED"),
    (
        ("invalid peer certificate: certificate expired: verification time 1748736000 (UNIX), but "
        "certificate is not valid after 1732936397 (1 s ago)"),
        "EXPIRED",
    ),
    ("invalid peer certificate: NotValidYet", "NOT_YET_VALID"),
    ("invalid peer certificate: Revoked", "REVOKED"),
    ("invalid peer certificate: BadSignature", "SIGNATURE"),
    ("peer sent no certificates", "WANTED"),
    ("invalid peer certificate: UnknownRevocationStatus", "STATUS"),
    ("InvalidCertificate(ExpiredRevocationList)", "STATUS"),
    ("InvalidCertificate(Expired)", "EXPIRED"),
    ("certificate not valid yet: verification time 1 (UNIX)", "NOT_YET_VALID"),
    ("certificate does not allow extended key usage for client authentication", "USE"),
    ("The certificate is NOT trusted. The certificate chain uses expired certificate.", "EXPIRED"),
    ("The certificate is NOT trusted. The certificate chain uses not yet valid certificate.", "NOT_YET_VALID"),
    ("The certificate is NOT trusted. The certificate chain is revoked.", "REVOKED"),
    ("The certificate is NOT trusted. The certificate issuer is unknown.", "UNTRUSTED"),
    ("The certificate is NOT trusted. The certificate chain does not match the intended purpose.", "USE"),
    ("The certificate is NOT trusted. The certificate chain uses insecure algorithm.", "WEAK"),
    ("The revocation or OCSP data are old and have been superseded.", "STATUS"),
    ("The signature in the certificate is invalid.", "SIGNATURE"),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1007)", "EXPIRED"),
    (
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer "
        "certificate (_ssl.c:1007)"),
        "UNTRUSTED",
    ),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:997)", "WRONG"),
    ("certificate verify failed: self-signed certificate in certificate chain", "UNTRUSTED"),
    ("FAILED:unable to verify the first certificate", "UNTRUSTED"),
    ("certificate verify failed: unsuitable certificate purpose", "USE"),
    ("certificate verify failed: CA certificate key too weak", "WEAK"),
    ("certificate verify failed: unable to get certificate CRL", "STATUS"),
    ("certificate verify failed: CRL has expired", "STATUS"),
    ("FAILED:certificate is not yet valid", "NOT_YET_VALID"),
    ("EE_KEY_TOO_SMALL", "WEAK"),
    ("CA_MD_TOO_WEAK", "WEAK"),
    ("peer did not return a certificate", "WANTED"),
    ("invalid CA certificate", "NOT_CA"),
    ("permitted subtree violation", "NAMES"),
    ("certificate chain too long", "CHAIN_LONG"),
    ("NotTimeValid", "EXPIRED"),
    ("UntrustedRoot", "UNTRUSTED"),
    ("PartialChain", "UNTRUSTED"),
    ("RevocationStatusUnknown", "STATUS"),
    ("OfflineRevocation, RevocationStatusUnknown", "STATUS"),
    ("NotValidForUsage", "USE"),
    ("NotSignatureValid", "SIGNATURE"),
    ("RemoteCertificateNotAvailable", "WANTED"),
    ("RemoteCertificateChainErrors", "WRONG"),
    (
        ("A certificate chain processed, but terminated in a root certificate which is not trusted "
        "by the trust provider. CERT_E_UNTRUSTEDROOT"),
        "UNTRUSTED",
    ),
    ("The certificate chain was issued by an authority that is not trusted", "UNTRUSTED"),
    (
        ("A required certificate is not within its validity period when verifying against the "
        "current system clock"),
        "EXPIRED",
    ),
    ("The certificate is revoked", "REVOKED"),
    (
        "Your client certificate was revoked, or the revocation status could not be determined.",
        "REVOKED_OR_NOT",
    ),
    ("revocation check failed: CRL could not be downloaded", "STATUS"),
    ("failed to fetch the OCSP response", "STATUS"),
    ("Certificate expired or not yet valid", "EXPIRED"),
    ("a client certificate is not required", None),
    ("No client certificate needed", None),
    ("incomplete certificate chain", "CHAIN_SHORT"),
    ("missing intermediate certificate", "CHAIN_SHORT"),
    ("mTLS is required for this endpoint", "WANTED"),
    ("two-way SSL required", "WANTED"),
    ("ssl client verify: NONE", "WANTED"),
    ("tls: bad certificate", "WRONG"),
    ("untrusted certificate", "UNTRUSTED"),
    ("weak signature algorithm sha1", "WEAK"),
    ("RSA key too short", "WEAK"),
    ("API key too short", None),
    ("OCSP status unknown", "STATUS"),
    ("certificate status: revoked", "REVOKED"),
    ("clientAuth EKU missing", "USE"),
    ("certificate is not suitable for client authentication", "USE"),
    ("certificate not active yet", "NOT_YET_VALID"),
    ("NotBefore is in the future", "NOT_YET_VALID"),
    ("The certificate date is invalid", "EXPIRED"),
    ("your certificate will expire soon", None),
    ("invalid certificate signing request", None),
    ("the upstream certificate has expired", None),
    ("unknown issuer of token", None),
    ("jwt issuer not trusted", None),
    ("Your certificate is not revoked, but its CN is not on the list", None),
    ("SSL certificate of the webhook target is self-signed", None),
    ("CRYPT_E_REVOKED", "REVOKED"),
    ("The revocation function was unable to check revocation because the revocation server was offline.", "STATUS"),
    ("CRYPT_E_NO_REVOCATION_CHECK", "STATUS"),
    ("CERT_E_WRONG_USAGE", "USE"),
    ("The received certificate has expired.", "EXPIRED"),
    ("CERT_E_EXPIRED", "EXPIRED"),
    ("SEC_ERROR_EXPIRED_CERTIFICATE", "EXPIRED"),
    ("SEC_ERROR_UNKNOWN_ISSUER", "UNTRUSTED"),
    ("SEC_ERROR_REVOKED_CERTIFICATE", "REVOKED"),
    ("Peer's Certificate issuer is not recognized.", "UNTRUSTED"),
    ("SEC_ERROR_INADEQUATE_KEY_USAGE", "USE"),
    ("SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE", "EXPIRED"),
    ("The certificate validity has expired", "EXPIRED"),
    ("The certificate has been revoked (is on a CRL)", "REVOKED"),
    ("The certificate validity starts in the future", "NOT_YET_VALID"),
    ("The certificate is not correctly signed by the trusted CA", "UNTRUSTED"),
    ("The CRL is expired", "STATUS"),
    ("Usage does not match the extendedKeyUsage extension", "USE"),
    ("ASN date error, current date after", "EXPIRED"),
    ("CRL Cert revoked", "REVOKED"),
    ("ASN no signer error to confirm failure", "UNTRUSTED"),
    ("403.7 - Forbidden: SSL client certificate is required. If it has expired certificate", "WANTED"),
    ("your account has expired", None),
    ("token expired", None),
    ("\"error\": \"token_expired\"", None),
    ("session revoked", None),
    ("error: expired", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), TEXTS, ids=[str(at) for at in range(len(TEXTS))])
def test_a_text_is_read_for_the_reason_that_it_gives(text: str, says: str | None) -> None:
    """As OpenSSL, Node.js, Python, Go, Java, rustls, GnuTLS, .NET, Windows, NSS, mbed TLS and wolfSSL write."""
    found = about_certificates(text)
    assert (None if found is None else found.meaning) is (says and Meaning[f"CERTIFICATE_{says}"])


def test_of_a_long_text_the_parts_about_certificates_are_examined() -> None:
    for before in ("x" * EXAMINED, "\u0130" * EXAMINED):
        found = about_certificates(f"{before} {OF_GO} {before}")
        assert found is not None and found.meaning is Meaning.CERTIFICATE_EXPIRED
        assert verification_time(found.text) == datetime(2029, 6, 1, tzinfo=UTC)
    assert about_certificates("chain " * EXAMINED + OF_GO) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("current time 2029-06-01T02:00:00.5+02:00 is after", datetime(2029, 6, 1, tzinfo=UTC)),
        ("certificate expired: verification time 1748736000 (UNIX)", datetime(2025, 6, 1, tzinfo=UTC)),
        ("verification time 99999999999 (UNIX)", datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        ("current time 2029-99-01T02:00:00Z is after", None),
        ("current time 0001-01-01T00:00:00+23:00 is after", None),
        ("certificate has expired", None),
    ],
)
def test_the_time_by_which_it_was_verified_is_read_where_it_is_said(text: str, at: datetime | None) -> None:
    assert verification_time(text) == at
