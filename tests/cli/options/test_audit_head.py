"""`bothways gateway audit verify`, and the head that it prints and takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bothways.gateway.observe.audit_file import AuditFile
from command_line import bothways, environment, run_command


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return run_command(
        bothways(*words),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment(),
    )


def test_a_file_is_verified_against_a_head_that_was_noted(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    file = AuditFile(str(path), "worker 1")
    for name in ("one", "two"):
        file.append("allowed", name, {})
    file.close()
    verify = ["gateway", "audit", "verify", str(path)]
    done = run(verify)
    assert done.returncode == 0 and "intact: 2 entries, head 2:" in done.stdout
    head = done.stdout.split()[-1]
    assert run([*verify, "--head", head]).returncode == 0

    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert run(verify).returncode == 0
    done = run([*verify, "--head", head])
    assert done.returncode == 1 and "the audit log was shortened" in done.stderr
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))
    done = run(verify)
    assert done.returncode == 1 and "the audit log is broken at entry 1: it was altered" in done.stderr
    assert run([*verify, "--head", "2:x"]).returncode == 2
    assert run(["gateway", "audit", "verify", str(tmp_path / "none")]).returncode == 2
