"""Nothing that axe-core knows of keeps anybody out: each screen, light and dark, in two sizes."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.system.lab import Server
from tests.system.test_admin import Admin
from tests.transports.web.page.chromium import DESKTOP, PHONE, Window, World

Scheme = Literal["light", "dark"]

pytestmark = [
    pytest.mark.parametrize("scheme", ["light", "dark"]),
    pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"]),
]


TEXTS = [
    "hello 你好",
    "> *said* **before**\n- one\n- two",
    "```\ncode\n```",
    "see https://example.org/",
    "🥝",
    "عربي",
]


def has_no_violations(window: Window) -> None:
    """The page as it stands, once nothing moves in it."""
    window.page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
    results = Axe().run(window.page)
    assert results.violations_count == 0, results.generate_report()


def test_logging_in_and_registering(world: World, scheme: Scheme, size: tuple[int, int]) -> None:
    window = world.newcomer(color_scheme=scheme, size=size).window().opens()
    window["#login-submit"].click()
    expect(window["#login-error"]).not_to_be_empty()
    has_no_violations(window)
    window["#choose-register"].click()
    window["#register-submit"].click()
    expect(window["#register-error"]).not_to_be_empty()
    has_no_violations(window)


def test_the_chat(world: World, server: Server, scheme: Scheme, size: tuple[int, int]) -> None:
    person = world.someone("kiwi", color_scheme=scheme, size=size)
    plum = world.registered("plum")
    window = person.enters()
    with world.server.client() as other:
        other.enter(plum)
        for text in TEXTS:
            other.say(text)
            other.tell(person.user_id, text)
        has_no_violations(window)
        window.goes_to(plum)
        expect(window["#new-line"]).to_be_attached()
        has_no_violations(window)
        window.goes_to("lobby")
        expect(window["#message-list .bubble"].last).to_have_text("عربي")
        admin = Admin("--data", str(server.data))
        admin.says("mute", person.user_id)
        window.writes("not heard")
        expect(window['#message-list [data-state="failed"]']).to_be_visible()
        admin.says("announce", "down at noon")
        expect(window["#announcement"]).to_be_visible()
        has_no_violations(window)
        window["#close-announcement"].click()
        window.page.evaluate("location.hash = '#/people'")
        expect(window["#people-list"]).to_be_visible()
        window["#people-search"].fill("p")
        expect(window[".person"].first).to_be_visible()
        has_no_violations(window)


def test_the_dialogs(world: World, scheme: Scheme, size: tuple[int, int]) -> None:
    window = world.someone("kiwi", color_scheme=scheme, size=size).enters()
    window.opens_settings()
    has_no_violations(window)
    window["#open-keys"].evaluate("node => node.click()")
    expect(window["#keys"]).to_be_visible()
    has_no_violations(window)
    window.page.keyboard.press("Escape")
    window.opens_settings()
    window["#open-password"].click()
    window["#password-submit"].click()
    has_no_violations(window)
    window.page.keyboard.press("Escape")
    window.opens_settings()
    window["#open-logout"].click()
    has_no_violations(window)


def test_without_a_connection(world: World, scheme: Scheme, size: tuple[int, int]) -> None:
    person = world.someone("kiwi", color_scheme=scheme, size=size)
    window = person.window()
    # The WebSocket alone finds nobody.
    window.page.route_web_socket("**/ws", lambda socket: socket.close())
    window.opens().is_connected("offline")
    window.goes_to("lobby").writes("waits")
    expect(window['#message-list [data-state="waiting"]']).to_be_visible()
    has_no_violations(window)
