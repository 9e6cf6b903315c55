"""Takes the pictures of the page that README shows: ``make screenshots``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

from tests.system.lab import Lab
from tests.system.test_web import WEB
from tests.transports.web.page.chromium import (
    DESKTOP,
    PHONE,
    Window,
    World,
    find_chromium,
    launch,
    new_ids,
)
from tests.wire import WireClient

IMAGES = Path(__file__).parents[4] / "docs" / "images"
NAMES = {"kiwi": 100, "lime": 101, "plum": 102, "青柠": 103, "小满": 104, "fig": 105, "quince": 106}
ROOM = [
    ("lime", "Morning, everybody! Is the reading group still on for Thursday?"),
    ("小满", "早上好！周四晚上七点，老地方见 🍵"),
    ("plum", "Yes, chapters four and five. I have put my notes at https://example.org/notes"),
    ("kiwi", "Lovely. I will bring the cake this time."),
    ("青柠", "太好了，我带一壶桂花茶。"),
    ("fig", "I am on the train, with no signal half of the time, and have still missed nothing 🙂"),
    ("lime", "For those who count pages: `pages(4, 5)` gives 61."),
    ("小满", "61页，一个周末就读完了 📖"),
    ("kiwi", "See you all on Thursday, then!"),
]
PRIVATE = [
    ("plum", "Did you find the book?"),
    ("kiwi", "I did. It was in the second row, behind the atlas."),
    ("plum", "太谢谢你了！ I had looked everywhere."),
    ("kiwi", "I will bring it on Thursday."),
    ("plum", "You are wonderful 🍰"),
]


def people(world: World) -> dict[str, WireClient]:
    """Everybody but kiwi, who has the browser."""
    with world.server.client() as client:
        client.register(NAMES["kiwi"], "kiwi")
    others = [name for name in NAMES if name != "kiwi"]
    return {name: world.server.client().enter(NAMES[name], name) for name in others}


def talk(kiwi: Window, others: dict[str, WireClient]) -> None:
    for name, text in ROOM:
        if name == "kiwi":
            kiwi.says(text)
        else:
            others[name].say(text)
            kiwi.sees(text.replace("`", ""))
    kiwi.goes_to(NAMES["plum"])
    for name, text in PRIVATE:
        if name == "kiwi":
            kiwi.says(text)
        else:
            others[name].tell(NAMES["kiwi"], text)
            kiwi.sees(text)
    others["青柠"].tell(NAMES["kiwi"], "茶叶我已经买好了")
    expect(kiwi.unread(NAMES["青柠"])).to_have_attribute("data-unread", "1")


def take(world: World, name: str, address: str, **look: Any) -> None:
    """One picture of what kiwi sees at an address."""
    person = world.browser_of(NAMES["kiwi"], **look).logs_in()
    # What was said before one came is no news.
    window = person.enters(address)
    last = (PRIVATE if "u" in address else ROOM)[-1][1]
    window.sees(last)
    expect(window.unread(NAMES["青柠"])).to_have_attribute("data-unread", "1")
    window.page.evaluate("document.fonts.ready")
    window.page.screenshot(path=IMAGES / f"{name}.png", animations="disabled", caret="hide")


def take_all(browser: Browser, lab: Lab) -> None:
    world = World(browser, lab.server(*WEB), new_ids())
    others = people(world)
    kiwi = world.browser_of(NAMES["kiwi"]).logs_in().enters()
    talk(kiwi, others)
    private = f"#/u{NAMES['plum']}"
    small: dict[str, Any] = {"size": PHONE, "device_scale_factor": 2, "has_touch": True}
    take(world, "room-desktop", "#/lobby", size=DESKTOP)
    take(world, "private-desktop-dark", private, size=DESKTOP, color_scheme="dark")
    take(world, "room-phone", "#/lobby", **small)
    take(world, "private-phone", private, **small)
    for client in others.values():
        client.close()
    world.close()


def main() -> int:
    path = find_chromium()
    if path is None:
        print("no Chromium here to show the page (on Debian: apt install chromium)")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chatroom-") as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        try:
            browser = launch(playwright.chromium, path)
            take_all(browser, lab)
            browser.close()
        finally:
            lab.close()
    for image in sorted(IMAGES.glob("*.png")):
        print(f"{image.name}: {image.stat().st_size // 1024} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
