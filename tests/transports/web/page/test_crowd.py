"""Many messages in the room and many people online: the page holds what is visible of them.

How smoothly it scrolls is printed, not judged: that depends on the machine. With 5,000 of each
(``CROWD=5000 pytest -s``) that is what docs/page.md has.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from chatroom.config.errors import StartError
from chatroom.protocol import messages as wire
from chatroom.store.valkey.binary import find_binary
from tests.system.lab import Lab, environment, own_valkey, until
from tests.system.test_web import WEB
from tests.transports.web.page.chromium import Window, World, new_ids
from tests.transports.web.page.crowd import FIRST, READY

MANY = int(os.environ.get("CROWD", "1000"))
#: Scrolls by so many pixels each frame until nothing moves any more, and tells what that was like.
SCROLL = """async ([id, step, end]) => {
  const box = document.getElementById(id);
  const long = [];
  const observer = new PerformanceObserver((list) => long.push(...list.getEntries()));
  observer.observe({ type: "longtask" });
  const frame = () => new Promise(requestAnimationFrame);
  let frames = 0, nodes = 0, still = 0;
  const start = performance.now();
  while (still < 40 && performance.now() - start < 90_000) {
    const before = box.scrollTop, height = box.scrollHeight;
    box.scrollTop += step;
    await frame();
    frames += 1;
    nodes = Math.max(nodes, box.querySelectorAll(end.rows).length);
    const top = document.getElementById("messages-top").textContent;
    const over = end.text === "" || end.text === top;
    still = box.scrollTop === before && box.scrollHeight === height && over ? still + 1 : 0;
  }
  await frame();
  observer.takeRecords().forEach((entry) => long.push(entry));
  const times = long.map((entry) => Math.round(entry.duration));
  return { frames, nodes, seconds: Math.round(performance.now() - start) / 1000,
           long: times.length, worst: Math.max(0, ...times) };
}"""


@pytest.fixture
def crowded(browser: Browser, lab: Lab) -> Iterator[World]:
    """A server where all these messages were said and all these people are."""
    try:
        binary = find_binary()[0]
    except StartError as error:
        pytest.skip(f"no Valkey here: {error}")
    with own_valkey(binary) as valkey:
        redis = f"unix://{valkey.socket}"
        output = lab.folder / "crowd.out"
        command = [sys.executable, "-m", "tests.transports.web.page.crowd", redis, str(MANY)]
        root = str(Path(__file__).parents[4])
        lab.start(command, output, lab.folder / "crowd.err", environment(PYTHONPATH=root))
        world = World(browser, lab.server("--redis", redis, *WEB), new_ids())
        until(lambda: READY in output.read_text())
        with world.server.client() as client:
            client.enter(world.registered("plum"))
            for number in range(0, MANY - 1, 100):
                said = range(number, min(number + 100, MANY - 1))
                client.send(
                    *(wire.SmsMes(content=f"message {n} " + "字 " * (n % 40)) for n in said)
                )
                client.is_alive()
            assert client.say("the newest").code == 200
        yield world
        assert world.close() == []


def scroll(window: Window, box: str, step: int, rows: str, text: str = "") -> dict[str, Any]:
    """Scroll to an end, and print what that was like."""
    seen = window.page.evaluate(SCROLL, [box, step, {"rows": rows, "text": text}])
    print(f"#{box}:", seen)
    return dict(seen)


@pytest.mark.slow
def test_only_what_is_visible_is_in_the_page(crowded: World) -> None:
    window = crowded.someone("kiwi").enters()
    window.sees("the newest")
    expect(window["#people-count"]).to_have_text(f"{MANY + 1:,} online")
    seen = scroll(window, "messages", -1200, "#message-list > li", "This is the beginning.")
    expect(window["#message-list"]).to_contain_text("message 0 ")
    assert seen["nodes"] <= 250
    seen = scroll(window, "people-list", 1200, ".person")
    expect(window[f'.person[data-user="{FIRST + MANY - 1}"]']).to_be_visible()
    assert seen["nodes"] <= 60
    window["#people-search"].fill(f"guest {FIRST + MANY - 2}")
    expect(window[".person"]).to_have_count(1)
    window["#people-search"].press("Enter")
    expect(window["#room-title"]).to_have_text(f"guest {FIRST + MANY - 2}")
