"""One Chromium and one server for all tests of a process; they are left out where none is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.system.lab import Lab, Server
from tests.system.test_web import WEB
from tests.transports.web.page.chromium import DESKTOP, World, find_chromium, launch, new_ids

_ids = new_ids()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium here to show the page (on Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium, path)
        yield browser
        browser.close()


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


@pytest.fixture
def world(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[World]:
    """The server and the browser that tests share; no page may have caused trouble."""
    world = World(browser, server, _ids, getattr(request, "param", DESKTOP))
    yield world
    assert world.close() == []
