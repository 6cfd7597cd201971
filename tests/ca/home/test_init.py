"""How an authority comes to be, and what is left where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways.ca.errors import AlreadyExists
from bothways.ca.home.layout import root_register_of
from bothways.ca.issuer import Issuer
from bothways.ca.profiles import Holder, Profile
from bothways.errors import ConfigError
from ca.databases import Cluster
from ca.issuers import Clock, new_issuer


def test_a_directory_in_use_is_not_overwritten(issuer: Issuer, clock: Clock) -> None:
    before = {path.name: path.read_bytes() for path in issuer.path.iterdir()}
    with pytest.raises(AlreadyExists, match="exists already and is not empty"):
        new_issuer(issuer.path, clock)
    assert {path.name: path.read_bytes() for path in issuer.path.iterdir()} == before


def test_a_failed_creation_leaves_nothing(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(ConfigError, match="it must be sqlite or postgresql"):
        new_issuer(tmp_path / "ca", clock, database_url="nosuchdatabase://")
    assert list(tmp_path.iterdir()) == []


def test_addresses_follow_the_url_and_the_root_has_no_ocsp(tmp_path: Path, clock: Clock) -> None:
    issuer = new_issuer(tmp_path / "ca", clock, url="http://ca.example:8080/")
    leaf = issuer.issue(Profile.CLIENT, Holder("alice"))
    text = str(leaf.certificate.extensions)
    for address in ("/crl/issuing/0.crl", "/ocsp", "/ca/issuing.cer"):
        assert f"http://ca.example:8080{address}" in text
    above = str(leaf.intermediates[0].extensions)
    assert "http://ca.example:8080/crl/root.crl" in above
    assert "ocsp" not in above.lower().replace("ocspnocheck", "")
    issuer.close()


def test_a_root_that_issues_itself_has_no_intermediate(tmp_path: Path, clock: Clock) -> None:
    with new_issuer(tmp_path / "ca", clock, intermediate=False) as issuer:
        assert issuer.authority.parents == ()
        assert sorted(path.name for path in issuer.path.iterdir() if path.suffix in (".pem", ".key")) == [
            "root-crl.pem", "root.key", "root.pem",
        ]  # fmt: skip


def test_an_intermediate_is_recorded_in_the_roots_register(tmp_path: Path, clock: Clock, url: str) -> None:
    with new_issuer(tmp_path / "ca", clock, database_url=url) as issuer:
        serial = issuer.authority.certificate.serial_number
        with root_register_of(issuer.path) as register:
            assert [(entry.serial, entry.profile) for entry in register.all()] == [(serial, "sub-ca")]
            assert [entry.action for entry in register.audit()] == ["issue", "crl"]
        assert issuer.register.find(serial) is None


def test_settings_with_a_password_are_readable_by_their_owner_only(
    tmp_path: Path, clock: Clock, cluster: Cluster
) -> None:
    for name, more, mode in (("open", "", 0o644), ("closed", "&password=secret", 0o600)):
        with cluster.database() as url:
            new_issuer(tmp_path / name, clock, database_url=url + more).close()
        assert (tmp_path / name / "authority.json").stat().st_mode & 0o777 == mode
