"""The page as an app: it opens while the server is away, and is never older than the server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import chatroom
from tests.system.lab import Lab, Server, until
from tests.transports.web.page.chromium import (
    DESKTOP,
    PHONE,
    Window,
    World,
    find_chromium,
    launch,
    new_ids,
)
from tests.transports.web.page.test_outages import Stage

PACKAGE = Path(chatroom.__file__).parent
#: What the browser keeps of the page, by the name of the cache.
KEPT = """
async () => {
  const kept = {};
  for (const name of await caches.keys()) {
    const requests = await (await caches.open(name)).keys();
    kept[name] = requests.map(({ url }) => new URL(url).pathname).sort();
  }
  return kept;
}
"""


@pytest.fixture
def stage(browser: Browser, lab: Lab) -> Stage:
    return Stage(browser, lab)


def is_ready(window: Window) -> Window:
    """The service worker is there, and has all that it keeps."""
    there = "navigator.serviceWorker.getRegistration().then((one) => Boolean(one?.active))"
    until(lambda: window.page.evaluate(there), 60)
    return window


def test_the_page_and_what_waits_are_shown_while_the_server_is_away(stage: Stage) -> None:
    person = stage.world.someone("kiwi")
    plum = stage.world.registered("plum")
    window = is_ready(person.enters("#/lobby"))
    stage.dies()
    window.is_connected("offline")
    window.writes("waits for the server")
    window.goes_to(plum)["#composer-text"].fill("a draft, too")
    window["#composer-text"].blur()
    for size in (PHONE, DESKTOP):
        window.resized(size).opens("#/lobby").page.reload()
        window.is_connected("offline")
        expect(window["#me-name"]).to_have_text("kiwi")
        expect(window.messages("waits for the server")).to_have_attribute("data-state", "waiting")
        window.goes_to(plum)
        expect(window["#composer-text"]).to_have_value("a draft, too")
        expect(window["#messages-top"]).to_have_text(
            "What was said will appear here once you are connected."
        )
    stage.comes_back()
    window["#connection-retry"].or_(window['#connection[data-state="online"]']).first.wait_for(
        state="attached"
    )
    window.is_online()
    expect(window.goes_to("lobby").sent("waits for the server")).to_be_visible()
    assert stage.world.close() == []


def test_nothing_but_the_page_s_own_files_is_kept(world: World) -> None:
    window = is_ready(world.someone("kiwi", service_workers="allow").enters())
    window.says("a message")
    [paths] = window.page.evaluate(KEPT).values()
    assert "/" in paths
    assert "/static/js/browser/strings/zh.js" in paths
    for path in paths:
        assert path == "/" or path.startswith("/static/")


def test_a_new_version_is_taken_at_the_next_load(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = is_ready(stage.world.someone("kiwi").enters("#/lobby"))
    expect(window["#room-title"]).to_have_text("Lobby")
    [old] = window.page.evaluate(KEPT)
    shutil.copytree(PACKAGE, tmp_path / "chatroom")
    words = tmp_path / "chatroom/transports/web/static/js/browser/strings/en.js"
    words.write_text(words.read_text("utf-8").replace('lobby: "Lobby"', 'lobby: "Hall"'), "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    stage.dies()
    stage.comes_back()
    window.resized(PHONE).reloads()
    expect(window["#room-title"]).to_have_text("Hall")
    # And it is the new one that is shown from now on while there is no server.
    until(lambda: old not in window.page.evaluate("caches.keys()"), 60)
    stage.dies()
    for size in (PHONE, DESKTOP):
        window.resized(size).page.reload()
        window.is_connected("offline")
        expect(window["#room-title"]).to_have_text("Hall")
        expect(window["#room-title"]).to_be_visible()
    assert stage.world.close() == []


def test_a_browser_finds_what_it_needs_to_install_the_page(
    browser: Browser, server: Server
) -> None:
    path = find_chromium(whole=True)
    if path is None:
        pytest.skip("no Chromium here that can install pages (on Debian: apt install chromium)")
    with launch(browser.browser_type, path) as whole:
        _check_manifest(World(whole, server, new_ids(), service_workers="allow"))


def _check_manifest(world: World) -> None:
    window = world.newcomer().window()
    session = window.page.context.new_cdp_session(window.page)
    for size in (PHONE, DESKTOP):
        window.resized(size).opens()
        found = session.send("Page.getAppManifest")
        assert found["errors"] == []
        manifest = json.loads(found["data"])
        assert (manifest["start_url"], manifest["display"]) == ("/", "standalone")
        # All that keeps this browser from it is that it is one for a test.
        errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert [error["errorId"] for error in errors] == ["in-incognito"]
    assert world.close() == []
