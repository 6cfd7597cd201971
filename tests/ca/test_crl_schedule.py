"""Lists of everything, of partitions and of changes: by number, by OpenSSL, and by our own revocation checking."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import Issued
from bothways.ca.crl_schedule import CRL_LIFETIME, DELTA_LIFETIME, LARGE_LIMIT, SMALL_LIMIT, crl_url, due
from bothways.ca.errors import NoBaseCRL
from bothways.ca.issuer import Issuer
from bothways.ca.profiles import Holder, Profile
from bothways.ca.register.values import WHOLE, CRLState, PublishedCRL, Series
from bothways.trust.anchors import TrustStore
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify as judge
from ca.issuers import DAY, NOW, Clock, client, new_issuer
from interop import peers

URL = "http://ca.example"
DELTA = Series(delta=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def issuer(tmp_path: Path, clock: Clock) -> Iterator[Issuer]:
    """With partitions of two certificates each."""
    made = new_issuer(tmp_path / "ca", clock, url=URL, partition=2)
    yield made
    made.close()


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def entries_of(crl: x509.CertificateRevocationList) -> dict[int, str]:
    """Each entry's serial number and reason."""
    return {
        each.serial_number: str(each.extensions[0].value.reason.value) if len(each.extensions) else ""  # type: ignore[attr-defined]
        for each in crl
    }


def addresses(points: x509.CRLDistributionPoints | x509.FreshestCRL) -> list[str]:
    return [name.value for point in points for name in point.full_name or ()]


def test_a_certificate_names_the_crl_of_its_partition(issuer: Issuer) -> None:
    """RFC 5280 4.2.1.13: the partition is chosen and recorded when it is issued."""
    named = [
        addresses(
            issuer.issue(Profile.CLIENT, Holder(name))
            .certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
            .value
        )
        for name in "abcde"
    ]
    assert named == [[f"{URL}/crl/issuing/{partition}.crl"] for partition in (0, 0, 1, 1, 2)]
    assert issuer.register.crl_state(NOW).partitions == (0, 1, 2)


def test_without_an_address_there_are_no_partitions(tmp_path: Path, clock: Clock) -> None:
    issuer = new_issuer(tmp_path / "ca", clock)
    client(issuer, "alice")
    assert issuer.register.crl_state(NOW).partitions == ()
    assert issuer.publish_due() == [WHOLE]
    assert issuer.publish_due() == [DELTA]
    assert issuer.publish_due() == []
    with pytest.raises(x509.ExtensionNotFound):
        issuer.crl().extensions.get_extension_for_class(x509.FreshestCRL)
    issuer.close()


def test_a_crl_of_a_partition_covers_only_that_and_says_so(issuer: Issuer) -> None:
    """RFC 5280 5.2.5: critical, and by the same address."""
    alice, _, carol = (client(issuer, name) for name in ("alice", "bob", "carol"))
    for serial in (alice, carol):
        issuer.revoke(serial, "superseded")
    assert entries_of(issuer.crl()) == {alice: "superseded", carol: "superseded"}
    for partition, serial in ((0, alice), (1, carol)):
        crl = issuer.crl(series=Series(partition))
        assert entries_of(crl) == {serial: "superseded"}
        scope = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
        assert scope.critical
        assert [name.value for name in scope.value.full_name or ()] == [f"{URL}/crl/issuing/{partition}.crl"]
        freshest = crl.extensions.get_extension_for_class(x509.FreshestCRL)
        assert not freshest.critical
        assert addresses(freshest.value) == [f"{URL}/crl/issuing/{partition}-delta.crl"]


def test_a_delta_crl_has_the_changes_since_its_base(issuer: Issuer) -> None:
    """RFC 5280 5.2.4: critical, with the number of its base and one of its own from the same sequence."""
    alice, bob, carol, dave = (client(issuer, name) for name in ("alice", "bob", "carol", "dave"))
    issuer.revoke(alice, "certificateHold")
    issuer.revoke(bob, "superseded")
    base = issuer.crl()
    assert entries_of(issuer.crl(series=DELTA)) == {}
    issuer.release(alice)
    issuer.revoke(carol, "keyCompromise")
    issuer.revoke(dave, "certificateHold")
    delta = issuer.crl(series=DELTA)
    indicator = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert (indicator.critical, indicator.value.crl_number) == (True, number(base))
    assert number(delta) == number(base) + 2
    assert entries_of(delta) == {alice: "removeFromCRL", carol: "keyCompromise", dave: "certificateHold"}
    assert delta.next_update_utc == NOW + DELTA_LIFETIME
    with pytest.raises(x509.ExtensionNotFound):
        delta.extensions.get_extension_for_class(x509.FreshestCRL)


def test_a_hold_that_ended_between_delta_crls_is_removed(issuer: Issuer) -> None:
    """Who has an earlier delta learns of the release from the next one."""
    alice = client(issuer, "alice")
    issuer.crl()
    issuer.revoke(alice, "certificateHold")
    assert entries_of(issuer.crl(series=DELTA)) == {alice: "certificateHold"}
    issuer.release(alice)
    assert entries_of(issuer.crl(series=DELTA)) == {alice: "removeFromCRL"}
    assert entries_of(issuer.crl()) == {}


def test_a_delta_crl_of_a_partition_has_its_scope(issuer: Issuer) -> None:
    """RFC 5280 5.2.4: the same scope as the list that it amends."""
    for name in ("alice", "bob", "carol"):
        client(issuer, name)
    first = issuer.crl(series=Series(1))
    (carol,) = (entry.serial for entry in issuer.register.find_by_name("carol"))
    (alice,) = (entry.serial for entry in issuer.register.find_by_name("alice"))
    issuer.revoke(carol)
    issuer.revoke(alice)
    delta = issuer.crl(series=Series(1, delta=True))
    assert entries_of(delta) == {carol: ""}
    kind = x509.IssuingDistributionPoint
    scopes = [crl.extensions.get_extension_for_class(kind) for crl in (first, delta)]
    assert scopes[0] == scopes[1]


def test_a_delta_crl_without_a_base_is_refused(issuer: Issuer) -> None:
    with pytest.raises(NoBaseCRL, match="no base CRL for a delta CRL yet"):
        issuer.crl(series=DELTA)
    assert issuer.register.crl_numbers() == []


def test_only_changed_crls_are_published_again(issuer: Issuer, clock: Clock) -> None:
    alice, _, carol = (client(issuer, name) for name in ("alice", "bob", "carol"))
    assert issuer.publish_due() == [WHOLE, Series(0), Series(1)]
    assert issuer.publish_due() == [DELTA, Series(0, delta=True), Series(1, delta=True)]
    assert issuer.publish_due() == []
    issuer.revoke(carol)
    assert issuer.publish_due() == [WHOLE, Series(1)]
    assert issuer.publish_due() == [DELTA, Series(1, delta=True)]
    assert issuer.publish_due() == []
    clock.at = NOW + DELTA_LIFETIME
    assert issuer.publish_due() == [DELTA, Series(0, delta=True), Series(1, delta=True)]
    clock.at = NOW + CRL_LIFETIME - 2 * DAY
    assert issuer.publish_due() == [WHOLE, Series(0), Series(1)]
    clock.at = NOW + 91 * DAY
    assert issuer.publish_due() == [WHOLE]  # the certificates of both partitions have ended
    assert issuer.register.find(alice) is not None
    issuer.audit()


def test_a_large_crl_is_signed_again_once_a_day_and_a_very_large_one_by_command_only() -> None:
    def published(series: Series, number: int, entries: int, base: int | None = None) -> PublishedCRL:
        return PublishedCRL(series, number, NOW, NOW + CRL_LIFETIME, entries, base)

    def asked(entries: int, at: datetime, delta: int) -> list[Series]:
        newest = {
            WHOLE: published(WHOLE, 1, entries),
            DELTA: published(DELTA, delta, 0, base=1),
        }
        return list(due(CRLState(newest, {None: 2}, ()), at))

    def asked_of_a_giant(partitions: tuple[int, ...]) -> list[Series]:
        newest = {WHOLE: published(WHOLE, 1, LARGE_LIMIT + 1)}
        return list(due(CRLState(newest, {None: 2}, partitions), NOW + CRL_LIFETIME))

    assert asked_of_a_giant(()) == [WHOLE]
    assert asked_of_a_giant((7,)) == [Series(7)]  # which certificates name instead
    assert asked(SMALL_LIMIT, NOW + HOUR, 2) == [WHOLE]
    assert asked(SMALL_LIMIT + 1, NOW + HOUR, 2) == [DELTA]
    assert asked(SMALL_LIMIT + 1, NOW + HOUR, 3) == []
    assert asked(SMALL_LIMIT + 1, NOW + DAY, 3) == [WHOLE]


def test_of_each_series_only_the_newest_crl_is_kept(issuer: Issuer) -> None:
    client(issuer, "alice")
    for _ in range(3):
        issuer.crl()
        issuer.crl(series=Series(0))
    issuer.crl(series=DELTA)
    newest = issuer.register.crl_state(NOW).newest
    assert {series: each.number for series, each in newest.items()} == {WHOLE: 5, Series(0): 6, DELTA: 7}
    assert issuer.register.crl_numbers() == list(range(1, 8))
    kept = issuer.register.newest_crl(Series(0))
    assert kept is not None
    assert number(x509.load_der_x509_crl(kept)) == 6
    assert issuer.register.newest_crl(Series(1)) is None
    issuer.audit()


def test_urls_of_crls_follow_one_pattern() -> None:
    assert [crl_url(URL, series) for series in (WHOLE, DELTA, Series(7), Series(7, delta=True))] == [
        f"{URL}/crl/issuing.crl",
        f"{URL}/crl/issuing-delta.crl",
        f"{URL}/crl/issuing/7.crl",
        f"{URL}/crl/issuing/7-delta.crl",
    ]


def root_list(issuer: Issuer) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl((issuer.path / "root-crl.pem").read_bytes())


def is_trusted(issuer: Issuer, issued: Issued, lists: list[x509.CertificateRevocationList]) -> bool:
    """What our own trust says of a client by these lists alone."""
    verdict = judge(
        [each.public_bytes(Encoding.DER) for each in (issued.certificate, *issued.intermediates)],
        TrustStore.from_certificates([issuer.authority.root]),
        purpose=Purpose.CLIENT,
        name=None,
        at=NOW,
        revocation=Revocation(
            crls=CRLStore.from_pem(b"".join(each.public_bytes(Encoding.PEM) for each in lists))
        ),
    )
    return isinstance(verdict, Trusted)


# -- what others make of it: alice is good, bob revoked in the list, carol in the delta, dave released by it ---------


class Case:
    """Four clients of one partition, and the lists of either kind before and after changes."""

    def __init__(self, issuer: Issuer, folder: Path, partition: int | None) -> None:
        self.folder = folder
        self.issuer = issuer
        self.clients = {
            name: issuer.issue(Profile.CLIENT, Holder(name)) for name in ("alice", "bob", "carol", "dave")
        }
        issuer.revoke(self.clients["bob"].serial, "superseded")
        issuer.revoke(self.clients["dave"].serial, "certificateHold")
        self.crl_state = [issuer.crl(series=Series(partition))]
        issuer.revoke(self.clients["carol"].serial, "keyCompromise")
        issuer.release(self.clients["dave"].serial)
        self.delta = issuer.crl(series=Series(partition, delta=True))
        self.crl_state.append(root_list(issuer))

    def ours(self, name: str, lists: list[x509.CertificateRevocationList]) -> bool:
        return is_trusted(self.issuer, self.clients[name], lists)

    def openssl(self, name: str, lists: list[x509.CertificateRevocationList], *options: str) -> bool:
        issued: Issued = self.clients[name]
        (self.folder / "chain.pem").write_bytes(issued.chain_pem)
        (self.folder / "root.pem").write_bytes(self.issuer.authority.root_pem)
        (self.folder / "lists.pem").write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in lists))
        run = subprocess.run(
            [peers.find("openssl"), "verify", "-x509_strict", "-attime", str(int(NOW.timestamp())),
             "-crl_check_all", *options, "-CRLfile", "lists.pem", "-CAfile", "root.pem",
             "-untrusted", "chain.pem", "chain.pem"],
            cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if run.returncode:
            assert "certificate revoked" in run.stderr + run.stdout, run.stderr
        return run.returncode == 0


@pytest.fixture(params=[None, 0], ids=["whole", "partition"])
def case(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Case]:
    issuer = new_issuer(tmp_path / "ca", clock, url=URL, partition=4)
    yield Case(issuer, tmp_path, request.param)
    issuer.close()


def test_our_own_verification_uses_crls_and_delta_crls_and_refuses_the_unknown(case: Case) -> None:
    """RFC 5280 6.3.3."""
    good = {name: case.ours(name, case.crl_state) for name in case.clients}
    assert good == {"alice": True, "bob": False, "carol": True, "dave": False}
    good = {name: case.ours(name, [*case.crl_state, case.delta]) for name in case.clients}
    assert good == {"alice": True, "bob": False, "carol": False, "dave": True}
    assert not case.ours("alice", case.crl_state[1:])
    assert not case.ours("alice", [case.delta, case.crl_state[1]])


@pytest.mark.interop
def test_openssl_uses_crls_and_delta_crls(case: Case) -> None:
    """RFC 5280 6.3.3, by another implementation."""
    good = {name: case.openssl(name, case.crl_state) for name in case.clients}
    assert good == {"alice": True, "bob": False, "carol": True, "dave": False}
    both = [*case.crl_state, case.delta]
    good = {name: case.openssl(name, both, "-extended_crl", "-use_deltas") for name in case.clients}
    assert good == {"alice": True, "bob": False, "carol": False, "dave": True}


def test_the_crl_of_another_partition_proves_nothing(tmp_path: Path, clock: Clock) -> None:
    issuer = new_issuer(tmp_path / "ca", clock, url=URL, partition=1)
    alice, bob = (issuer.issue(Profile.CLIENT, Holder(name)) for name in ("alice", "bob"))
    lists = [issuer.crl(series=Series(1)), root_list(issuer)]
    assert is_trusted(issuer, bob, lists)
    assert not is_trusted(issuer, alice, lists)
    issuer.close()
