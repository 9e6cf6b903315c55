"""No connection, no storage, no server: the page says how things are, and keeps what it can."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, WebSocketRoute, expect

from tests.system.lab import until
from tests.transports.web.page.chromium import (
    ARGUMENTS,
    Window,
    World,
    both_sizes,
    find_chromium,
)

pytestmark = both_sizes

#: Leaves less than 100 bytes of the storage free, and gives it back.
FILL = """
for (let size = 4_000_000; size > 50; ) {
  try {
    const name = `filling ${localStorage.length} ${size}`;
    localStorage.setItem(name, "x".repeat(size));
  } catch {
    size = Math.floor(size / 2);
  }
}
"""
FREE = """
for (const name of Object.keys(localStorage)) {
  if (name.startsWith("filling")) localStorage.removeItem(name);
}
"""


#: Notes each state of the connection that the page shows.
NOTE_STATES = """
const bar = document.getElementById("connection");
window.states = [];
const note = () => window.states.push(bar.dataset.state);
new MutationObserver(note).observe(bar, { attributeFilter: ["data-state"] });
"""


class Line:
    """The page's WebSockets, which can be held up without a word, as a dead network does."""

    def __init__(self, window: Window) -> None:
        self.dead = False
        window.page.route_web_socket("**/ws", self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(to: Callable[[str | bytes], None]) -> Callable[[str | bytes], None]:
            return lambda message: None if self.dead else to(message)

        socket.on_message(pass_on(server.send))
        server.on_message(pass_on(socket.send))


def on_a_line(world: World) -> tuple[Window, Line]:
    """Somebody who is connected, talks with nobody but themselves, and whose clock stands still."""
    person = world.someone("kiwi")
    window = person.window()
    line = Line(window)
    window.page.clock.install()
    window.enters(f"#/u{person.user_id}").says("while all is well")
    # Ahead, as a clock that is stopped can't be put back: by less than the page is silent for.
    window.page.clock.pause_at(datetime.now().astimezone() + timedelta(seconds=20))
    return is_well(window), line


def is_well(window: Window) -> Window:
    """It asks, and is answered: whatever was before, something has just been heard."""
    happens(window, "online")
    return window.is_online()


def happens(window: Window, name: str) -> None:
    """What a browser tells of the machine or the person."""
    window.page.evaluate("name => window.dispatchEvent(new Event(name))", name)


def is_given_up(window: Window, seconds: int) -> None:
    """An answer is waited for so long, and no longer."""
    window.is_connected("checking")
    expect(window["#connection-text"]).to_have_text("Checking the connection…")
    window.page.clock.run_for(seconds * 1000 - 1)
    window.is_connected("checking")
    window.page.clock.run_for(1)
    window.is_connected("offline")


def test_a_browser_without_a_network_is_shown_to_be_offline(world: World) -> None:
    person = world.someone("kiwi")
    window = person.enters(f"#/u{person.user_id}")
    person.context.set_offline(True)
    window.writes("on its way")
    window.is_connected("offline")
    expect(window.messages("on its way")).to_have_attribute("data-state", "waiting")
    expect(window.messages("on its way")).to_contain_text("Waiting to be sent")
    person.context.set_offline(False)
    window.is_online()
    expect(window.sent("on its way")).to_be_visible()


@pytest.mark.parametrize(("event", "seconds"), [("offline", 2), ("online", 4)])
def test_a_dead_line_is_found_when_the_network_changes(
    world: World, event: str, seconds: int
) -> None:
    window, line = on_a_line(world)
    line.dead = True
    happens(window, event)
    is_given_up(window, seconds)
    line.dead = False
    is_well(window)


def test_a_line_that_died_while_the_page_slept_is_found_when_it_wakes(world: World) -> None:
    window, line = on_a_line(world)
    for event in ("focus", "pageshow", "visibilitychange"):
        line.dead = True
        # Nothing was silent for long, so that there is nothing to be asked.
        happens(window, event)
        window.is_online()
        # The time of day goes on by an hour, as it does in its sleep, and no timer of its has run.
        window.page.evaluate("{ const now = Date.now; Date.now = () => now() + 3_600_000; }")
        happens(window, event)
        is_given_up(window, 4)
        line.dead = False
        is_well(window)


def test_a_line_that_is_well_stays_whatever_the_browser_says(world: World) -> None:
    window, _ = on_a_line(world)
    window.page.evaluate(NOTE_STATES)
    happens(window, "offline")
    window.is_online()
    window.page.clock.resume()
    window.says("it is on this machine")
    assert window.page.evaluate("window.states") == ["checking", "online"]


def test_a_message_that_nobody_answers_is_a_reason_to_ask(world: World) -> None:
    window, line = on_a_line(world)
    line.dead = True
    window.writes("into the void")
    window.page.clock.run_for(3_999)
    window.is_online()
    window.page.clock.run_for(1)
    is_given_up(window, 4)
    window.page.clock.run_for(100)
    expect(window.messages("into the void")).to_contain_text("Waiting to be sent")


def test_what_the_browser_has_no_room_for_is_said_to_be_lost_with_the_page(world: World) -> None:
    window = world.someone("kiwi").window()
    window.page.route_web_socket("**/ws", lambda socket: socket.close())
    window.opens("#/lobby").is_connected("offline")
    window.writes("kept")
    expect(window["#connection-text"]).to_have_text(
        "Not connected · 1 message will be sent once you are connected."
    )
    window.page.evaluate(FILL)
    window["#composer-text"].fill("a draft of more than a few words " * 20)
    note = window["#composer-note"]
    expect(note).to_contain_text("no room to keep what you write")
    window["#composer-text"].press("Enter")
    expect(window["#connection-text"]).to_contain_text("2 messages will be sent")
    expect(window["#connection-text"]).to_contain_text("only if this page stays open")
    expect(note).to_be_empty()
    # The browser asks before it closes such a page.
    window.page.evaluate("location.reload()")
    until(lambda: window.trouble)
    assert window.trouble == ["dialog: "]
    window.trouble.clear()
    expect(window["#message-list [data-id]"]).to_have_count(2)
    # With room again, all is kept that was not.
    window.page.evaluate(FREE)
    window["#composer-text"].fill("and a draft")
    expect(note).to_be_empty()
    window["#composer-text"].blur()
    window.page.reload()
    expect(window["#message-list [data-id]"]).to_have_count(2)
    expect(window["#composer-text"]).to_have_value("and a draft")


def test_blocked_cookies_are_named(world: World, browser: Browser, tmp_path: Path) -> None:
    user_id = world.registered("kiwi")
    path = find_chromium(whole=True)
    if path is None:
        pytest.skip("no Chromium here that has settings (on Debian: apt install chromium)")
    settings = tmp_path / "profile" / "Default" / "Preferences"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"profile": {"default_content_setting_values": {"cookies": 2}}}')
    context = browser.browser_type.launch_persistent_context(
        str(tmp_path / "profile"),
        executable_path=path,
        args=ARGUMENTS,
        locale="en-GB",
        viewport={"width": world.size[0], "height": world.size[1]},
    )
    try:
        window = Window(context.new_page(), world.origin).opens()
        window.logs_in(user_id)
        expect(window["#login-notice"]).to_contain_text("did not keep the cookie")
        expect(window["#login-notice"]).to_contain_text("Allow cookies")
        window.is_asked_to_log_in()
        assert window.trouble == []
    finally:
        context.close()
