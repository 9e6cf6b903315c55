"""One Chromium, one Firefox and one server for all tests of a process; left out where none is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Error, Playwright, sync_playwright

from tests.system.lab import Lab, Server
from tests.system.test_web import WEB
from tests.transports.web.page.chromium import (
    DESKTOP,
    PATIENCE,
    World,
    find_chromium,
    launch,
    new_ids,
)
from tests.transports.web.page.firefox import find_firefox, stand_in


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium here to show the page (on Debian: apt install chromium)")
    with launch(playwright.chromium, path) as browser:
        yield browser


@pytest.fixture(scope="module")
def firefox(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = find_firefox()
    if path is None:
        pytest.skip("no Firefox here to show the page (on Debian: apt install firefox-esr)")
    program = stand_in(path, tmp_path_factory.mktemp("firefox"))
    try:
        browser = playwright.firefox.launch(
            channel="moz-firefox", executable_path=program, timeout=PATIENCE
        )
    except Error as error:
        # Firefox's side of WebDriver BiDi is young, and changes.
        pytest.skip(f"Playwright can't drive this Firefox: {error}")
    with browser:
        yield browser


@pytest.fixture(scope="session")
def ids() -> Callable[[], int]:
    """Gives numbers for the users of the server that tests share."""
    return new_ids()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, forking: None) -> Iterator[Server]:
    """A server for all tests that leave it alone, each with users of its own."""
    lab = Lab(tmp_path_factory.mktemp("page"))
    try:
        yield lab.server(*WEB, "--login-failures", "0")
    finally:
        lab.close()


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory, forking: None) -> Iterator[Lab]:
    """Ends what a test started with it."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.close()


def a_world(
    browser: Browser, server: Server, ids: Callable[[], int], request: pytest.FixtureRequest
) -> Iterator[World]:
    world = World(browser, server, ids, getattr(request, "param", DESKTOP))
    yield world
    assert world.close() == []


@pytest.fixture
def world(
    browser: Browser, server: Server, ids: Callable[[], int], request: pytest.FixtureRequest
) -> Iterator[World]:
    """The server and the browser that tests share; no page may have caused trouble."""
    yield from a_world(browser, server, ids, request)
