"""What holds for all tests."""

from __future__ import annotations

import signal

import hypothesis
import pytest

# No test is about time: a busy machine is no failure.
hypothesis.settings.register_profile(
    "chatroom", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("chatroom")

# What a shell starts in the background ignores Ctrl-C, what nohup starts ignores a hang-up, and so
# would all that the tests start: they send both to see what is done about them.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts processes comes first: it waits, and what only computes fills the gaps."""
    first = ("tests/system/", "tests/web/page/")
    items.sort(key=lambda item: not item.nodeid.startswith(first))
