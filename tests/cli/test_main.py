"""The command itself: help, version, what is missing, and what is not imported."""

from __future__ import annotations

import os
import subprocess
import sys

from command_line import bothways, environment, run_command


def run(*words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return run_command(
        list(words), env=environment(**extra), capture_output=True, text=True, timeout=60, check=False
    )


def test_help_lists_every_command():
    done = run(*bothways("--help"))
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("demo", "serve", "connect", "show"):
        assert f"\n  {name} " in done.stdout


def test_a_slip_in_the_name_of_a_command_is_told():
    done = run(*bothways("gatway", "-c", "gateway.toml"))
    assert done.returncode == 2
    assert done.stderr.startswith("bothways: no such command 'gatway'. Did you mean 'gateway'?\n")
    assert "Did you mean" not in run(*bothways("xyzzy")).stderr


def test_every_command_has_help():
    """`-h` too; a command's help imports that command alone."""
    for name in ("demo", "serve", "connect", "show"):
        done = run(*bothways(name, "-h"))
        assert (done.returncode, done.stderr) == (0, "")
        assert f"Usage: bothways {name}" in done.stdout


def test_missing_command_is_wrong_use():
    """Status 2, with the help."""
    done = run(*bothways())
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Usage: bothways")
    assert "First steps:\n  bothways demo  " in done.stderr
    assert done.stderr == run(*bothways("--help")).stdout


def test_the_package_runs_as_a_module():
    """`python -m bothways` is the command."""
    done = run(sys.executable, "-m", "bothways", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run(*bothways("--version")).stdout


def test_a_package_that_is_missing_is_named_with_what_installs_it(tmp_path):
    """No traceback, status 2; a shell that completes is told nothing."""
    (tmp_path / "sqlalchemy.py").write_text("raise ModuleNotFoundError('none', name='sqlalchemy')")
    paths = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{environment()['PYTHONPATH']}"}
    done = run(*bothways("ca", "init", "./ca"), **paths)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "bothways: ca init requires the package sqlalchemy, which is not installed",
        "Hint: pip install 'bothways[ca]'",
    ]
    asked = {"_BOTHWAYS_COMPLETE": "bash_complete", "COMP_WORDS": "bothways ca in", "COMP_CWORD": "2"}
    completed = run(*bothways(), **asked, **paths)
    assert (completed.returncode, completed.stderr) == (0, "")


def test_a_shell_completes_commands_and_options():
    """click answers when the shell asks."""
    asked = {"_BOTHWAYS_COMPLETE": "bash_complete", "COMP_WORDS": "bothways con", "COMP_CWORD": "1"}
    done = run(*bothways(), **asked)
    assert (done.returncode, done.stdout.split()) == (0, ["plain,connect"])
    asked |= {"COMP_WORDS": "bothways connect --ke", "COMP_CWORD": "2"}
    assert "plain,--key" in run(*bothways(), **asked).stdout.split()


def test_help_imports_no_command_and_no_renderer():
    """What is slow waits until it is used."""
    program = (
        "import sys\nfrom bothways.cli.commands import bothways\n"
        "bothways.main(['--help'], standalone_mode=False)\n"
        "slow = ('bothways.cli.', 'rich.', 'asyncio')\n"
        "print(sorted(name for name in sys.modules if name.startswith(slow)))"
    )
    done = run(sys.executable, "-c", program)
    assert done.stdout.splitlines()[-1] == "['bothways.cli.commands']"


def test_without_the_extra_it_says_what_to_install(tmp_path):
    """Status 2."""
    (tmp_path / "click.py").write_text("raise ImportError('not installed')")
    done = run(*bothways("demo"), PYTHONPATH=f"{tmp_path}:{environment()['PYTHONPATH']}")
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first == "bothways: the command line needs packages that are not installed"
    assert second == "Hint: pip install 'bothways[cli]'"
