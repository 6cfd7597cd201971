"""Keys in hardware, with SoftHSM2 and OpenSSL."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bothways import ClientConfig, Credentials, ServerConfig, SignatureWanted, TrustStore
from bothways.ca.authority import Authority, pem
from bothways.ca.errors import FileUnusable, KeyUnavailable
from bothways.ca.home.init import InitOptions
from bothways.ca.import_existing import import_authority, read_existing
from bothways.ca.issuer import Issuer
from bothways.ca.keys import KeyType
from bothways.ca.ocsp import Responder
from bothways.ca.profiles import Holder, Profile
from bothways.ca.token_key import TokenKey, find_key, find_or_generate_key
from bothways.errors import ConfigError, UnusableFile
from bothways.tokens.key_uri import KeyURI
from ca.issuers import NOW, Clock, client
from interop import peers
from pair import FrozenClock, pair
from tokens.soft_tokens import PIN, Token, new_token

pytestmark = pytest.mark.interop


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Token:
    return new_token(monkeypatch)


def create(path: Path, token: Token, clock: Clock, **more: object) -> Issuer:
    options = InitOptions("Test", key_uri=token.uri(), **more)  # type: ignore[arg-type]
    return Issuer.create(path, options, None, pin=PIN, actor="tester", now=clock)


@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.P384, KeyType.RSA3072])
@pytest.mark.parametrize("intermediate", [True, False])
def test_openssl_accepts_certificates_crls_and_responses_of_a_key_in_hardware(
    tmp_path: Path, token: Token, clock: Clock, key_type: KeyType, intermediate: bool
) -> None:
    openssl = peers.find("openssl")
    clock.at = datetime.now(UTC)  # openssl compares answers with its own clock alone
    with create(tmp_path / "ca", token, clock, key_type=key_type, intermediate=intermediate) as issuer:
        assert isinstance(issuer.authority.key, TokenKey)
        assert not (tmp_path / "ca" / ("issuing.key" if intermediate else "root.key")).exists()
        issued, gone = (issuer.issue(Profile.CLIENT, Holder(name)) for name in ("alice", "bob"))
        issuer.revoke(gone.serial)
        (tmp_path / "crl.pem").write_bytes(issuer.crls_pem())
        (tmp_path / "leaf.pem").write_bytes(issued.chain_pem)
        (tmp_path / "gone.pem").write_bytes(gone.chain_pem)
        (tmp_path / "issuer.pem").write_bytes(pem((issuer.authority.certificate,)))
        responder = Responder(
            issuer.authority.certificate, lambda: issuer.issue(Profile.OCSP, Holder("OCSP signer")), clock
        )

        def run(label: str) -> str:
            done = subprocess.run(
                [openssl, *label.split()], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            return done.stdout + done.stderr

        verify = "verify -x509_strict -crl_check_all -CRLfile crl.pem -CAfile ca/root.pem -untrusted "
        assert run(f"{verify} leaf.pem leaf.pem") == "leaf.pem: OK\n"
        assert "certificate revoked" in run(f"{verify} gone.pem gone.pem")
        run("ocsp -issuer issuer.pem -cert leaf.pem -no_nonce -reqout request.der")
        question = responder.read((tmp_path / "request.der").read_bytes())
        answer = responder.sign(question, issuer.register.find(question.serial))
        (tmp_path / "answer.der").write_bytes(answer.der)
        reported = run("ocsp -respin answer.der -issuer issuer.pem -cert leaf.pem -CAfile ca/root.pem "
                   "-verify_other issuer.pem")  # fmt: skip
        assert "Response verify OK" in reported
        assert "leaf.pem: good" in reported


def test_a_ca_with_a_token_needs_only_the_pin(tmp_path: Path, token: Token, clock: Clock) -> None:
    path = tmp_path / "ca"
    create(path, token, clock).close()
    with Issuer.open(path, None, pin=PIN, now=clock) as issuer:
        assert client(issuer, "alice")
    for pin, problem in ((None, "needs its PIN"), ("wrong-pin", "the PIN is wrong")):
        with pytest.raises(KeyUnavailable, match=problem) as caught:
            Issuer.open(path, None, pin=pin, now=clock)
        assert "sesame" not in str(caught.value)
    assert PIN not in (path / "authority.json").read_text()
    assert "sesame" not in repr(find_and_close(token))


def find_and_close(token: Token) -> TokenKey:
    key = find_key(KeyURI.parse(token.uri()), PIN)
    key.close()
    return key


def test_a_key_made_on_a_token_signs_and_does_nothing_else(token: Token) -> None:
    import pkcs11
    from pkcs11 import Attribute, ObjectClass

    key = find_or_generate_key(KeyURI.parse(token.uri()), PIN, KeyType.RSA3072)
    assert isinstance(key.public_key(), rsa.RSAPublicKey)
    key.close()
    session = pkcs11.lib(token.module).get_token(token_label=token.name).open(user_pin=PIN)
    private = session.get_key(object_class=ObjectClass.PRIVATE_KEY)
    flags = {name: private[getattr(Attribute, name)] for name in (
        "SIGN", "SENSITIVE", "EXTRACTABLE", "DECRYPT", "UNWRAP", "DERIVE")}  # fmt: skip
    assert flags == {"SIGN": True, "SENSITIVE": True, "EXTRACTABLE": False,
                     "DECRYPT": False, "UNWRAP": False, "DERIVE": False}  # fmt: skip
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        private[Attribute.PRIVATE_EXPONENT]
    session.close()


def test_an_existing_key_of_a_token_is_used(token: Token) -> None:
    first = find_or_generate_key(KeyURI.parse(token.uri()), PIN, KeyType.P256)
    public = first.public_key()
    first.close()
    second = find_or_generate_key(KeyURI.parse(token.uri()), PIN, KeyType.P384)
    assert second.public_key() == public
    second.close()


def test_a_ca_whose_key_is_in_hardware_is_imported(tmp_path: Path, token: Token, clock: Clock) -> None:
    with create(tmp_path / "old", token, clock, intermediate=False) as old:
        (tmp_path / "old.pem").write_bytes(old.authority.root_pem)
    key = find_key(KeyURI.parse(token.uri()), PIN)
    existing = read_existing(tmp_path / "old.pem", None, None, token_key=key, now=clock)
    import_authority(tmp_path / "ca", existing, InitOptions("", key_uri=token.uri()), None, now=clock)
    key.close()
    with Issuer.open(tmp_path / "ca", None, pin=PIN, now=clock) as issuer:
        assert client(issuer, "alice")
        assert issuer.authority.root == existing.certificate


def test_another_key_than_the_certificates_is_refused(tmp_path: Path, token: Token, clock: Clock) -> None:
    create(tmp_path / "ca", token, clock).close()
    settings = tmp_path / "ca" / "authority.json"
    other = find_or_generate_key(KeyURI.parse(token.uri("other")), PIN, KeyType.P256)
    other.close()
    settings.write_text(settings.read_text().replace("object=issuing", "object=other"))
    with pytest.raises(FileUnusable, match=r"object=other: is not the key of issuing\.pem"):
        Issuer.open(tmp_path / "ca", None, pin=PIN, now=clock)
    find_and_close(token)  # the refused session was ended


def test_missing_objects_and_mechanisms_of_a_token_are_reported(
    token: Token, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for uri, problem in (
        (token.uri("nothing"), "has no private key 'nothing'"),
        ("pkcs11:token=nobody;object=x", "'nobody': not found"),
        (token.uri(more="?module-path=/nowhere.so"), "cannot open shared object file"),
    ):
        with pytest.raises(KeyUnavailable, match=problem):
            find_key(KeyURI.parse(uri), PIN)
    nowhere = token.uri(more=f"?pin-source=file://{tmp_path}/nowhere")
    with pytest.raises(UnusableFile, match="nowhere: the PIN cannot be read: No such file"):
        find_key(KeyURI.parse(nowhere), PIN)
    for key_type in (KeyType.ED25519, KeyType.MLDSA65):
        with pytest.raises(ConfigError, match=f"{key_type.value} keys cannot be generated in a token"):
            find_or_generate_key(KeyURI.parse(token.uri()), PIN, key_type)
    with pytest.raises(ConfigError, match="must have object=NAME, since a new key is to be generated"):
        find_or_generate_key(KeyURI.parse(f"pkcs11:token={token.name};id=%01"), PIN, KeyType.P256)
    monkeypatch.delenv("PKCS11_MODULE")
    with pytest.raises(ConfigError, match="no PKCS#11 driver is configured: set "):
        find_key(KeyURI.parse(token.uri()), PIN)


def test_the_pin_file_and_the_driver_may_be_in_the_uri(
    token: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PKCS11_MODULE")
    (tmp_path / "pin").write_text(f"{PIN}\nsecond line\n")
    uri = token.uri(more=f"?module-path={token.module}&pin-source=file:{tmp_path / 'pin'}")
    key = find_or_generate_key(KeyURI.parse(uri), None, KeyType.P256)
    assert isinstance(key.public_key(), ec.EllipticCurvePublicKey)
    key.close()


def test_a_removed_token_is_reported_and_nothing_is_recorded(
    tmp_path: Path, token: Token, clock: Clock
) -> None:
    issuer = create(tmp_path / "ca", token, clock)
    key = issuer.authority.key
    assert isinstance(key, TokenKey)
    key.close()
    with pytest.raises(KeyUnavailable, match=f"the token '{token.name}'"):
        client(issuer, "alice")
    assert list(issuer.register.all()) == []
    assert issuer.audit() == []
    issuer.register.close()


def test_a_client_proves_itself_with_a_key_in_hardware(token: Token, clock: Clock) -> None:
    """Step 3.2, with a signature that a token makes (RFC 9846 4.5.2)."""
    authority = Authority.create("Test", now=clock)
    key = find_or_generate_key(KeyURI.parse(token.uri("client")), PIN, KeyType.P256)
    leaf = authority.sign(Profile.CLIENT, Holder("alice"), key.public_key())
    anchors = TrustStore.from_pem(authority.root_pem)
    server = authority.issue(Profile.SERVER, dns=("localhost",)).credentials
    ends = pair(
        ClientConfig(anchors=anchors, credentials=Credentials.external(pem((leaf,))), clock=FrozenClock(NOW)),
        ServerConfig(credentials=server, client_anchors=anchors, clock=FrozenClock(NOW)),
    )
    ends.exchange()
    wanted = ends.client_events[-1]
    assert isinstance(wanted, SignatureWanted)
    ends.client.provide(wanted, key.sign(wanted.data))
    ends.exchange()
    key.close()
    peer = ends.server.peer
    assert peer is not None
    assert peer.certificate == leaf
