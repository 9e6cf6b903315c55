"""A server that dies in the middle: nothing is lost on screen, and nothing is there twice."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.ports import own_port
from tests.system.lab import Lab, Server
from tests.transports.web.page.chromium import Window, World, new_ids


class Stage:
    """A server of the test's own, which may die and come back where it was."""

    def __init__(self, browser: Browser, lab: Lab) -> None:
        self._lab = lab
        self._web = f"tcp:{own_port()}:interface=127.0.0.1"
        self.server: Server = lab.server("--web", self._web)
        self.world = World(browser, self.server, new_ids(), service_workers="allow")

    def dies(self) -> None:
        self.server.kill()

    def comes_back(self) -> None:
        self.server = self._lab.server("--web", self._web, data=self.server.data)
        self.world.server = self.server


@pytest.fixture
def stage(browser: Browser, lab: Lab) -> Stage:
    return Stage(browser, lab)


def texts_once_all_are_sent(window: Window, count: int) -> list[str]:
    expect(window['#message-list [data-state="sent"]']).to_have_count(count)
    expect(window["#message-list [data-id]"]).to_have_count(0)
    return window.texts()


def test_a_server_killed_amid_writing_loses_and_doubles_nothing(stage: Stage) -> None:
    kiwi = stage.world.someone("kiwi")
    lime = stage.world.someone("lime")
    one, tab, two = kiwi.enters(), kiwi.enters(), lime.enters()
    for window, name in ((one, "kiwi"), (two, "lime")):
        for number in range(10):
            window.writes(f"{name} before {number}")
    # Some of them are on their way just then.
    stage.dies()
    for window, name in ((one, "kiwi"), (two, "lime")):
        for number in range(10):
            window.writes(f"{name} after {number}")
        window.is_connected("offline")
    stage.comes_back()
    for window in (one, tab, two):
        window.is_online()
    shown = [texts_once_all_are_sent(window, 40) for window in (one, tab, two)]
    assert shown[0] == shown[1] == shown[2]
    for name in ("kiwi", "lime"):
        said = [text for text in shown[0] if text.startswith(name)]
        assert said == [f"{name} {when} {n}" for when in ("before", "after") for n in range(10)]
    with stage.server.client() as client:
        client.enter(1)
        assert [message.content for message in client.history()] == shown[0]
    expect(one["#message-list .divider.gap"]).to_have_count(0)
    assert stage.world.close() == []


def test_what_is_written_offline_is_marked_and_outlives_a_reload(stage: Stage) -> None:
    kiwi = stage.world.someone("kiwi")
    lime = stage.world.someone("lime").enters()
    window, tab = kiwi.enters(), kiwi.enters()
    stage.dies()
    for each in (window, tab):
        each.is_connected("offline")
    expect(window["#connection"]).to_be_visible()
    expect(window["#connection-text"]).to_have_text("Not connected")
    expect(window["#connection-countdown"]).to_contain_text("Trying again in")
    expect(window["#status-switch"]).to_be_disabled()
    for number in range(3):
        window.writes(f"written offline {number}")
    tab.writes("and in the other tab")
    waiting = window['#message-list [data-state="waiting"]']
    expect(waiting).to_have_count(3)
    expect(waiting.first).to_contain_text("Waiting to be sent")
    expect(window["#connection-text"]).to_contain_text("3 messages will be sent")
    # The page can't be had while there is no server: the browser leaves, and comes again later.
    window.page.goto("about:blank")
    stage.comes_back()
    window.enters()
    expected = [f"written offline {n}" for n in range(3)] + ["and in the other tab"]
    for each in (window, tab, lime):
        assert sorted(texts_once_all_are_sent(each, 4)) == sorted(expected)
    with stage.server.client() as client:
        client.enter(1)
        said = [message.content for message in client.history()]
        assert sorted(said) == sorted(expected)
        assert [text for text in said if text.startswith("written")] == expected[:3]
    assert stage.world.close() == []


def test_what_was_missed_is_there_after_a_break_with_no_gap(stage: Stage) -> None:
    window = stage.world.someone("kiwi").enters()
    lime = stage.world.registered("lime")
    with stage.server.client() as other:
        other.enter(lime)
        other.say("before the break")
        window.sees("before the break")
    stage.dies()
    window.is_connected("offline")
    # The page must not be the first to come back.
    window.page.context.set_offline(True)
    stage.comes_back()
    with stage.server.client() as other:
        other.enter(lime)
        for number in range(150):
            other.say(f"missed {number}")
        other.tell(window_owner(window), "missed in private")
        window.page.context.set_offline(False)
        window.is_online()
        expect(window["#message-list"]).to_contain_text("missed 149")
        expect(window["#message-list .divider.gap"]).to_have_count(0)
        expect(window.unread(lime)).to_have_attribute("data-unread", "1")
        said = [text for text in window.texts() if re.match(r"missed \d", text)]
        first = int(said[0].removeprefix("missed "))
        assert said == [f"missed {number}" for number in range(first, 150)]
    assert stage.world.close() == []


def window_owner(window: Window) -> int:
    return int(window.page.evaluate("JSON.parse(localStorage.getItem('chatroom:user'))"))
