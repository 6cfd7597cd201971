"""What every test may ask for: the full counts of the sweeps, or a seeded sample of them."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import settings

import run_order

# Samples are the same in every run, and nothing fails for being slow: a busy machine is no bug.
settings.register_profile("sample", deadline=None, derandomize=True, database=None, max_examples=50)
settings.register_profile("full", deadline=None, max_examples=1000)

LONG_ID = 16

# While tests are collected, objects only become more, and nothing is found among them again and again.
gc.disable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the sweeps with their full counts")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("full" if config.getoption("--full") else "sample")
    os.environ.pop("PYTHONUNBUFFERED", None)  # output has a buffer, as it has for users
    # Whoever runs the tests in the background, or by `nohup`, has turned these off, and children would inherit that.
    for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if collector.path == run_order.TESTS and report.passed:
        report.result = run_order.rotated(report.result)
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = run_order.ordered(items, run_order.process()[1])
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="a full sweep: make test-all")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """From here on the collector looks only at what tests make: a million objects of the modules stay as they are.

    It looks less often, too: a tenth of a processor was its share.
    """
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long bytes by their parameter: those of keys and signatures are others in each process of a run."""
    return argname if isinstance(val, (bytes, bytearray)) and len(val) > LONG_ID else None


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether sweeps run with their full counts (`make test-all`) or as a seeded sample (`make test`)."""
    return bool(request.config.getoption("--full"))
