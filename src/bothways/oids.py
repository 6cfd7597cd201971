"""Object identifiers with the names that RFCs and the `openssl` command use, for display only.

No decision depends on these names. An unknown identifier is shown as numbers.
"""

from __future__ import annotations

from collections.abc import Iterator


def _under(arc: str, names: str) -> Iterator[tuple[str, str]]:
    """Yield identifiers and names below an arc: "3 CN 4 SN" below "2.5.4." gives 2.5.4.3 and 2.5.4.4."""
    words = names.split()
    return ((arc + number, name) for number, name in zip(words[::2], words[1::2], strict=True))


# Attributes of names and certification requests (X.520, RFC 4519, RFC 4524, RFC 2985).
ATTRIBUTES = {
    **dict(
        _under(
            "2.5.4.",
            "3 CN 4 SN 5 serialNumber 6 C 7 L 8 ST 9 street 10 O 11 OU 12 title 13 description 14 searchGuide "
            "15 businessCategory 16 postalAddress 17 postalCode 18 postOfficeBox 19 physicalDeliveryOfficeName "
            "20 telephoneNumber 21 telexNumber 22 teletexTerminalIdentifier 23 facsimileTelephoneNumber "
            "24 x121Address 25 internationaliSDNNumber 26 registeredAddress 27 destinationIndicator "
            "28 preferredDeliveryMethod 29 presentationAddress 30 supportedApplicationContext 31 member 32 owner "
            "33 roleOccupant 34 seeAlso 35 userPassword 36 userCertificate 41 name 42 GN 43 initials "
            "44 generationQualifier 45 x500UniqueIdentifier 46 dnQualifier 47 enhancedSearchGuide "
            "48 protocolInformation 49 distinguishedName 50 uniqueMember 51 houseIdentifier 54 dmdName "
            "65 pseudonym 72 role 83 uii 97 organizationIdentifier 98 c3 99 n3 100 dnsName",
        )
    ),
    **dict(
        _under(
            "0.9.2342.19200300.100.1.",
            "1 UID 2 textEncodedORAddress 3 mail 4 info 5 favouriteDrink 6 roomNumber 8 userClass 9 host "
            "10 manager 11 documentIdentifier 12 documentTitle 13 documentVersion 14 documentAuthor "
            "15 documentLocation 20 homeTelephoneNumber 21 secretary 22 otherMailbox 25 DC "
            "37 associatedDomain 38 associatedName 39 homePostalAddress 40 personalTitle "
            "41 mobileTelephoneNumber 42 pagerTelephoneNumber 43 friendlyCountryName 44 uniqueIdentifier "
            "45 organizationalStatus 46 janetMailbox 48 buildingName 56 documentPublisher",
        )
    ),
    **dict(
        _under(
            "1.2.840.113549.1.9.",
            "1 emailAddress 2 unstructuredName 3 contentType 4 messageDigest 5 signingTime 7 challengePassword "
            "8 unstructuredAddress 9 extendedCertificateAttributes 14 extensionRequest 15 SMIMECapabilities "
            "20 friendlyName 21 localKeyID",
        )
    ),
    **dict(_under("1.3.6.1.4.1.311.60.2.1.", "1 jurisdictionL 2 jurisdictionST 3 jurisdictionC")),
    **dict(
        _under(
            "1.3.6.1.5.5.7.9.",
            "1 id-pda-dateOfBirth 2 id-pda-placeOfBirth 3 id-pda-gender 4 id-pda-countryOfCitizenship "
            "5 id-pda-countryOfResidence",
        )
    ),
    **dict(_under("1.2.643.", "100.1 OGRN 100.3 SNILS 100.4 INNLE 100.5 OGRNIP 3.131.1.1 INN")),
    **dict(
        _under(
            "1.3.6.1.4.1.311.",
            "2.1.14 extensionRequest 13.2.1 enrolmentNameValuePair 13.2.2 enrolmentCSP 13.2.3 osVersion "
            "21.20 requestClientInfo",
        )
    ),
}

# Extended key usages (RFC 5280 4.2.1.12 and the registry of PKIX purposes).
PURPOSES = {
    "2.5.29.37.0": "any purpose",
    "1.3.6.1.5.5.7.3.1": "server authentication",
    "1.3.6.1.5.5.7.3.2": "client authentication",
    "1.3.6.1.5.5.7.3.3": "code signing",
    "1.3.6.1.5.5.7.3.4": "e-mail protection",
    "1.3.6.1.5.5.7.3.5": "IPsec end system",
    "1.3.6.1.5.5.7.3.6": "IPsec tunnel",
    "1.3.6.1.5.5.7.3.7": "IPsec user",
    "1.3.6.1.5.5.7.3.8": "time stamping",
    "1.3.6.1.5.5.7.3.9": "OCSP signing",
    "1.3.6.1.5.5.7.3.10": "DVCS server",
    "1.3.6.1.5.5.7.3.13": "EAP over PPP",
    "1.3.6.1.5.5.7.3.14": "EAP over LAN",
    "1.3.6.1.5.5.7.3.17": "IKE for IPsec",
    "1.3.6.1.5.5.7.3.18": "CAPWAP access controller",
    "1.3.6.1.5.5.7.3.19": "CAPWAP wireless termination point",
    "1.3.6.1.5.5.7.3.20": "SIP domain",
    "1.3.6.1.5.5.7.3.21": "SSH client",
    "1.3.6.1.5.5.7.3.22": "SSH server",
    "1.3.6.1.5.5.7.3.23": "SEND router",
    "1.3.6.1.5.5.7.3.24": "SEND proxied router",
    "1.3.6.1.5.5.7.3.25": "SEND owner",
    "1.3.6.1.5.5.7.3.26": "SEND proxied owner",
    "1.3.6.1.5.5.7.3.27": "CMC certification authority",
    "1.3.6.1.5.5.7.3.28": "CMC registration authority",
    "1.3.6.1.5.5.7.3.29": "CMC archive server",
    "1.3.6.1.5.5.7.3.30": "BGPsec router",
    "1.3.6.1.5.5.7.3.31": "brand indicator for message identification",
    "1.3.6.1.5.5.7.3.32": "CM key generation authority",
    "1.3.6.1.5.5.7.3.36": "document signing",
    "1.3.6.1.5.2.3.4": "Kerberos client authentication (PKINIT)",
    "1.3.6.1.5.2.3.5": "Kerberos key distribution centre (PKINIT)",
    "1.3.6.1.4.1.311.2.1.21": "Microsoft individual code signing",
    "1.3.6.1.4.1.311.2.1.22": "Microsoft commercial code signing",
    "1.3.6.1.4.1.311.10.3.1": "Microsoft trust list signing",
    "1.3.6.1.4.1.311.10.3.3": "Microsoft server gated cryptography",
    "1.3.6.1.4.1.311.10.3.4": "Microsoft encrypted file system",
    "1.3.6.1.4.1.311.10.3.12": "Microsoft document signing",
    "1.3.6.1.4.1.311.20.2.1": "Microsoft enrolment agent",
    "1.3.6.1.4.1.311.20.2.2": "Microsoft smart card logon",
    "2.16.840.1.113730.4.1": "Netscape server gated cryptography",
    "1.3.6.1.4.1.11129.2.4.4": "precertificate signing",
    "1.0.18013.5.1.2": "mobile driving licence signing",
}

# Access methods (RFC 5280 4.2.2, RFC 6487, RFC 8182).
ACCESS_METHODS = {
    "1.3.6.1.5.5.7.48.1": "OCSP responder",
    "1.3.6.1.5.5.7.48.2": "issuer's certificate",
    "1.3.6.1.5.5.7.48.3": "time stamping",
    "1.3.6.1.5.5.7.48.4": "DVCS server",
    "1.3.6.1.5.5.7.48.5": "CA repository",
    "1.3.6.1.5.5.7.48.10": "RPKI manifest",
    "1.3.6.1.5.5.7.48.11": "signed object",
    "1.3.6.1.5.5.7.48.13": "RPKI notification",
}

POLICIES = {
    "2.5.29.32.0": "any policy",
    "2.23.140.1.1": "extended validation",
    "2.23.140.1.2.1": "domain validated",
    "2.23.140.1.2.2": "organization validated",
    "2.23.140.1.2.3": "individual validated",
    "0.4.0.2042.1.1": "ETSI NCP",
    "0.4.0.2042.1.2": "ETSI NCP+",
    "0.4.0.2042.1.3": "ETSI LCP",
    "0.4.0.2042.1.4": "ETSI EVCP",
    "0.4.0.2042.1.6": "ETSI DVCP",
    "0.4.0.2042.1.7": "ETSI OVCP",
    "0.4.0.194112.1.0": "ETSI QCP-n",
    "0.4.0.194112.1.1": "ETSI QCP-l",
    "0.4.0.194112.1.2": "ETSI QCP-n-qscd",
    "0.4.0.194112.1.3": "ETSI QCP-l-qscd",
    "0.4.0.194112.1.4": "ETSI QCP-w",
    "1.2.643.100.113.1": "class of signing tool KC1",
    "1.2.643.100.113.2": "class of signing tool KC2",
    "1.2.643.100.113.3": "class of signing tool KC3",
    "1.2.643.100.113.4": "class of signing tool KB1",
    "1.2.643.100.113.5": "class of signing tool KB2",
    "1.2.643.100.113.6": "class of signing tool KA1",
}

HASHES = {
    "1.2.840.113549.2.2": "MD2",
    "1.2.840.113549.2.4": "MD4",
    "1.2.840.113549.2.5": "MD5",
    "1.3.14.3.2.26": "SHA-1",
    "1.3.36.3.2.1": "RIPEMD-160",
    "2.16.840.1.101.3.4.2.1": "SHA-256",
    "2.16.840.1.101.3.4.2.2": "SHA-384",
    "2.16.840.1.101.3.4.2.3": "SHA-512",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
    "2.16.840.1.101.3.4.2.5": "SHA-512/224",
    "2.16.840.1.101.3.4.2.6": "SHA-512/256",
    "2.16.840.1.101.3.4.2.7": "SHA3-224",
    "2.16.840.1.101.3.4.2.8": "SHA3-256",
    "2.16.840.1.101.3.4.2.9": "SHA3-384",
    "2.16.840.1.101.3.4.2.10": "SHA3-512",
    "2.16.840.1.101.3.4.2.11": "SHAKE128",
    "2.16.840.1.101.3.4.2.12": "SHAKE256",
    "1.2.643.2.2.9": "GOST R 34.11-94",
    "1.2.643.7.1.1.2.2": "GOST R 34.11-2012 with 256 bits",
    "1.2.643.7.1.1.2.3": "GOST R 34.11-2012 with 512 bits",
}

# Algorithms of keys and of signatures.
ALGORITHMS = {
    **dict(
        _under(
            "1.2.840.113549.1.1.",
            "1 rsaEncryption 2 md2WithRSAEncryption 3 md4WithRSAEncryption 4 md5WithRSAEncryption "
            "5 sha1WithRSAEncryption 7 rsaesOaep 8 mgf1 10 rsassaPss 11 sha256WithRSAEncryption "
            "12 sha384WithRSAEncryption 13 sha512WithRSAEncryption 14 sha224WithRSAEncryption "
            "15 sha512-224WithRSAEncryption 16 sha512-256WithRSAEncryption",
        )
    ),
    **dict(
        _under(
            "1.2.840.10045.",
            "2.1 id-ecPublicKey 4.1 ecdsa-with-SHA1 4.2 ecdsa-with-Recommended 4.3.1 ecdsa-with-SHA224 "
            "4.3.2 ecdsa-with-SHA256 4.3.3 ecdsa-with-SHA384 4.3.4 ecdsa-with-SHA512",
        )
    ),
    **dict(
        _under(
            "2.16.840.1.101.3.4.3.",
            "1 dsa_with_SHA224 2 dsa_with_SHA256 3 dsa_with_SHA384 4 dsa_with_SHA512 9 ecdsa_with_SHA3-224 "
            "10 ecdsa_with_SHA3-256 11 ecdsa_with_SHA3-384 12 ecdsa_with_SHA3-512 13 RSA-SHA3-224 "
            "14 RSA-SHA3-256 15 RSA-SHA3-384 16 RSA-SHA3-512 17 ML-DSA-44 18 ML-DSA-65 19 ML-DSA-87 "
            "20 SLH-DSA-SHA2-128s 21 SLH-DSA-SHA2-128f 22 SLH-DSA-SHA2-192s 23 SLH-DSA-SHA2-192f "
            "24 SLH-DSA-SHA2-256s 25 SLH-DSA-SHA2-256f 26 SLH-DSA-SHAKE-128s 27 SLH-DSA-SHAKE-128f "
            "28 SLH-DSA-SHAKE-192s 29 SLH-DSA-SHAKE-192f 30 SLH-DSA-SHAKE-256s 31 SLH-DSA-SHAKE-256f",
        )
    ),
    **dict(_under("2.16.840.1.101.3.4.4.", "1 ML-KEM-512 2 ML-KEM-768 3 ML-KEM-1024")),
    **dict(_under("1.3.101.", "110 X25519 111 X448 112 Ed25519 113 Ed448")),
    **dict(
        _under(
            "1.3.14.3.2.",
            "3 md5WithRSA 11 rsaSignature 12 dsaEncryption-old 13 dsaWithSHA 15 shaWithRSAEncryption "
            "27 dsaWithSHA1-old 29 sha1WithRSA",
        )
    ),
    "1.2.840.10040.4.1": "dsaEncryption",
    "1.2.840.10040.4.3": "dsaWithSHA1",
    "1.2.840.113549.1.3.1": "dhKeyAgreement",
    "1.2.840.10046.2.1": "X9.42 DH",
    "1.3.36.3.3.1.2": "ripemd160WithRSA",
    "2.5.8.1.1": "rsa",
    "1.2.156.10197.1.501": "SM2-with-SM3",
    "1.2.643.2.2.3": "GOST R 34.11-94 with GOST R 34.10-2001",
    "1.2.643.2.2.4": "GOST R 34.11-94 with GOST R 34.10-94",
    "1.2.643.2.2.19": "GOST R 34.10-2001",
    "1.2.643.2.2.20": "GOST R 34.10-94",
    "1.2.643.7.1.1.1.1": "GOST R 34.10-2012 with 256 bit modulus",
    "1.2.643.7.1.1.1.2": "GOST R 34.10-2012 with 512 bit modulus",
    "1.2.643.7.1.1.3.2": "GOST R 34.10-2012 with GOST R 34.11-2012 (256 bit)",
    "1.2.643.7.1.1.3.3": "GOST R 34.10-2012 with GOST R 34.11-2012 (512 bit)",
}

CURVES = {
    **dict(
        _under(
            "1.2.840.10045.3.1.",
            "1 secp192r1 2 prime192v2 3 prime192v3 4 prime239v1 5 prime239v2 6 prime239v3 7 secp256r1",
        )
    ),
    **dict(
        _under(
            "1.3.132.0.",
            "1 sect163k1 2 sect163r1 3 sect239k1 6 secp112r1 7 secp112r2 8 secp160r1 9 secp160k1 10 secp256k1 "
            "15 sect163r2 16 sect283k1 17 sect283r1 24 sect193r1 25 sect193r2 26 sect233k1 27 sect233r1 "
            "28 secp128r1 29 secp128r2 30 secp160r2 31 secp192k1 32 secp224k1 33 secp224r1 34 secp384r1 "
            "35 secp521r1 36 sect409k1 37 sect409r1 38 sect571k1 39 sect571r1",
        )
    ),
    **dict(
        _under(
            "1.3.36.3.3.2.8.1.1.",
            "1 brainpoolP160r1 2 brainpoolP160t1 3 brainpoolP192r1 4 brainpoolP192t1 5 brainpoolP224r1 "
            "6 brainpoolP224t1 7 brainpoolP256r1 8 brainpoolP256t1 9 brainpoolP320r1 10 brainpoolP320t1 "
            "11 brainpoolP384r1 12 brainpoolP384t1 13 brainpoolP512r1 14 brainpoolP512t1",
        )
    ),
    "1.2.156.10197.1.301": "SM2",
}

# Types of otherName in GeneralName (RFC 5280 4.2.1.6).
OTHER_NAMES = {
    "1.3.6.1.4.1.311.20.2.3": "user principal name",
    "1.3.6.1.4.1.311.25.1": "NTDS replication",
    "1.3.6.1.5.2.2": "Kerberos principal",
    "1.3.6.1.5.5.7.8.3": "permanent identifier",
    "1.3.6.1.5.5.7.8.4": "hardware module",
    "1.3.6.1.5.5.7.8.5": "XMPP address",
    "1.3.6.1.5.5.7.8.7": "DNS service",
    "1.3.6.1.5.5.7.8.8": "network access identifier",
    "1.3.6.1.5.5.7.8.9": "internationalized e-mail",
}

OTHERS = {
    "1.3.6.1.5.5.7.2.1": "practice statement",
    "1.3.6.1.5.5.7.2.2": "user notice",
    "1.2.840.10040.2.1": "none",
    "1.2.840.10040.2.2": "call the issuer",
    "1.2.840.10040.2.3": "reject",
    "1.3.6.1.5.5.7.48.1.1": "basic OCSP response",
    "1.2.840.113549.1.7.1": "data",
    "1.2.840.113549.1.7.2": "signed data",
    "1.2.840.113549.1.7.3": "enveloped data",
    "1.2.840.113549.1.7.4": "signed and enveloped data",
    "1.2.840.113549.1.7.5": "digested data",
    "1.2.840.113549.1.7.6": "encrypted data",
    "1.2.840.113549.1.9.16.1.2": "authenticated data",
    "1.2.840.113549.1.9.16.1.9": "compressed data",
    "1.2.840.113549.1.9.16.1.23": "authenticated enveloped data",
    "0.4.0.1862.1.1": "qualified certificate",
    "0.4.0.1862.1.2": "limit on the value of transactions",
    "0.4.0.1862.1.3": "retention period",
    "0.4.0.1862.1.4": "private key in a qualified device",
    "0.4.0.1862.1.5": "disclosure statements",
    "0.4.0.1862.1.6": "type",
    "0.4.0.1862.1.6.1": "electronic signature",
    "0.4.0.1862.1.6.2": "electronic seal",
    "0.4.0.1862.1.6.3": "web authentication",
    "0.4.0.1862.1.7": "countries",
    "1.3.6.1.5.5.7.11.1": "syntax of version 1",
    "1.3.6.1.5.5.7.11.2": "syntax of version 2",
}

NAMES = {
    **OTHERS, **OTHER_NAMES, **CURVES, **HASHES, **ALGORITHMS, **POLICIES, **ACCESS_METHODS, **PURPOSES,
    **ATTRIBUTES,
}  # fmt: skip
