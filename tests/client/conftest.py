"""Fixtures of the client's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_twisted import blockon
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from tests.serving import Serving


@pytest.fixture
def logged() -> Iterator[list[Exception]]:
    """What is logged as a failure during the test."""
    failures: list[Exception] = []

    def observe(event: Any) -> None:
        if "log_failure" in event:
            failures.append(event["log_failure"].value)

    publisher: Any = globalLogPublisher
    publisher.addObserver(observe)
    yield failures
    publisher.removeObserver(observe)


@pytest.fixture
def serving() -> Iterator[Serving]:
    """A real server in this process."""
    serving = Serving()
    blockon(Deferred.fromCoroutine(serving.start()))
    yield serving
    blockon(Deferred.fromCoroutine(serving.stop()))
