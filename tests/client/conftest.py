"""Fixtures of the client's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from tests.client.stage import Stage


@pytest.fixture
def stage() -> Stage:
    """One whose client is logged in."""
    stage = Stage()
    stage.log_in()
    return stage


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
