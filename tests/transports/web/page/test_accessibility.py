"""Nothing that axe-core knows of keeps anybody out: each screen, light and dark, in two sizes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import chatroom
from tests.system.lab import Server
from tests.system.test_admin import Admin
from tests.transports.web.page.chromium import DESKTOP, PHONE, Window, World

TEXTS = [
    "hello 你好",
    "> *said* **before**\n- one\n- two",
    "```\ncode\n```",
    "see https://example.org/",
    "🥝",
    "عربي",
]


#: Once the page looks so, and nothing moves in it any more.
SETTLED = """async ([scheme, width]) => {
  const frame = () => new Promise(requestAnimationFrame);
  const chosen = matchMedia(`(prefers-color-scheme: ${scheme})`);
  while (innerWidth !== width || !chosen.matches) await frame();
  for (let count = 0; count < 2; count += 1) await frame();
  await Promise.allSettled(document.getAnimations().map((one) => one.finished));
}"""


#: What colours can break; the dark is nothing but other colours.
OF_COLOURS: dict[str, object] = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}
LOOKS: dict[Literal["light", "dark"], dict[str, object]] = {
    "light": {"resultTypes": ["violations"]},
    "dark": OF_COLOURS,
}
DARK = Path(chatroom.__file__).parent / "web" / "static" / "dark.css"
#: Where axe-core is in the page already, and need not be read again.
AGAIN = Axe(axe_script="undefined")


def has_no_violations(window: Window) -> None:
    """The page as it stands, however it is looked at."""
    axe = AGAIN if window.page.evaluate("'axe' in window") else Axe()
    for size in (PHONE, DESKTOP):
        for scheme, rules in LOOKS.items():
            window.resized(size).page.emulate_media(color_scheme=scheme)
            window.page.evaluate(SETTLED, [scheme, size[0]])
            results, axe = axe.run(window.page, options=rules), AGAIN
            assert results.violations_count == 0, (size, scheme, results.generate_report())


def test_the_dark_is_nothing_but_other_colours() -> None:
    names = re.findall(r"^\s*([\w-]+):\s", DARK.read_text("utf-8"), re.MULTILINE)
    assert len(names) > 20
    assert [name for name in names if not name.startswith("--")] == []


def test_logging_in_and_registering(world: World) -> None:
    window = world.newcomer().window().opens()
    window["#login-submit"].click()
    expect(window["#login-error"]).not_to_be_empty()
    has_no_violations(window)
    window["#choose-register"].click()
    window["#register-submit"].click()
    expect(window["#register-error"]).not_to_be_empty()
    has_no_violations(window)


def test_the_chat(world: World, server: Server) -> None:
    person = world.someone("kiwi")
    plum = world.registered("plum")
    window = person.enters()
    with world.server.client() as other:
        other.enter(plum)
        for text in TEXTS:
            other.say(text)
            other.tell(person.user_id, text)
        window.goes_to("lobby").sees("عربي")
        has_no_violations(window)
        window.goes_to(plum)
        expect(window["#new-line"]).to_be_attached()
        has_no_violations(window)


def test_what_operators_do_and_who_is_there(world: World, server: Server) -> None:
    person = world.someone("kiwi")
    plum = world.registered("plum")
    window = person.enters("#/lobby")
    admin = Admin("--data", str(server.data))
    with world.server.client() as other:
        other.enter(plum)
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


def test_the_dialogs(world: World) -> None:
    window = world.someone("kiwi").enters()
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


def test_without_a_connection(world: World) -> None:
    window = world.someone("kiwi").window()
    # The WebSocket alone finds nobody.
    window.page.route_web_socket("**/ws", lambda socket: socket.close())
    window.opens().is_connected("offline")
    window.goes_to("lobby").writes("waits")
    expect(window['#message-list [data-state="waiting"]']).to_be_visible()
    has_no_violations(window)
