"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    BrowserType,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    expect,
)

from tests.system.lab import Server
from tests.system.test_web import web_port
from tests.wire import PASSWORD

#: What a Chromium is called, by system.
NAMES = ("chromium", "chromium-browser", "google-chrome")
#: The same without windows, settings and all else that only a person needs: half the work.
SHELL = "chromium-headless-shell"
#: No sandbox: tests may run as root. The rest keeps it from talking to anybody but the server.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Milliseconds that something may take on a machine that has much else to do.
PATIENCE = 120_000
DESKTOP = (1280, 800)
PHONE = (360, 740)
Size = tuple[int, int]
#: What a test sees in a world whose browsers are of such a size, unless it asks for another one.
both_sizes = pytest.mark.parametrize(
    "world", [PHONE, DESKTOP], ids=["phone", "desktop"], indirect=True
)

expect.set_options(timeout=PATIENCE)


def find_chromium(*, whole: bool = False) -> str | None:
    """Where the browser is. ``whole``: one with settings, which can install pages."""
    names = NAMES if whole else (SHELL, *NAMES)
    return next((path for name in names if (path := shutil.which(name))), None)


def launch(kind: BrowserType, path: str) -> Browser:
    return kind.launch(executable_path=path, args=ARGUMENTS)


class Window:
    """One tab, and what the person before it does and sees.

    :param people: whose messages are looked at; what others said in the same room is left alone.
    """

    def __init__(self, page: Page, origin: str, people: Collection[int] = ()) -> None:
        self.page = page
        self.origin = origin
        self._people = people
        #: What should never happen: dialogs, uncaught errors, violations of the CSP.
        self.trouble: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.trouble.append(f"uncaught: {error}"))
        page.on("console", self._console)

    def _dialog(self, dialog: Dialog) -> None:
        self.trouble.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.trouble.append(message.text)

    def __getitem__(self, selector: str) -> Locator:
        return self.page.locator(selector)

    # ---- coming and going

    def opens(self, address: str = "") -> Window:
        self.page.goto(f"{self.origin}/{address}")
        return self

    def enters(self, address: str = "") -> Window:
        """Open the page while logged in; gives the tab once it is connected."""
        return self.opens(address).is_online()

    def reloads(self) -> Window:
        self.page.reload()
        return self.is_online()

    def logs_in(self, user_id: int, password: str = PASSWORD) -> Window:
        """Fill in the form that is shown."""
        self["#login-id"].fill(str(user_id))
        self["#login-password"].fill(password)
        self["#login-submit"].click()
        return self

    def is_online(self) -> Window:
        return self.is_connected("online")

    def is_connected(self, state: str) -> Window:
        # The bar is hidden while all is well.
        self[f'#connection[data-state="{state}"]'].wait_for(state="attached")
        return self

    def is_asked_to_log_in(self) -> Window:
        expect(self["#login-form"]).to_be_visible()
        expect(self["#chat"]).to_be_hidden()
        return self

    def resized(self, size: Size) -> Window:
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        return self

    # ---- conversations

    def goes_to(self, peer: int | str) -> Window:
        """Open a conversation: with a person, or the lobby."""
        key = peer if isinstance(peer, str) else f"u{peer}"
        self.page.evaluate("hash => { location.hash = hash }", f"#/{key}")
        expect(self[f'#conversations [data-peer="{peer}"]']).to_have_attribute(
            "aria-current", "true"
        )
        return self

    def writes(self, text: str) -> None:
        """Write into the conversation that is open."""
        self["#composer-text"].fill(text)
        self["#composer-text"].press("Enter")

    def says(self, text: str) -> None:
        """Write, and see that the server has it."""
        self.writes(text)
        expect(self.sent(text)).to_be_visible()

    def messages(self, text: str) -> Locator:
        """The messages shown that are just this text, sent or not, of this test's people."""
        bubble = self.page.locator(".bubble").get_by_text(text, exact=True)
        authors = [".own", *(f'[data-user="{user_id}"]' for user_id in self._people)]
        return self[f"#message-list > li:is({', '.join(authors)})"].filter(has=bubble)

    def sent(self, text: str) -> Locator:
        """One's own, which the server has."""
        return self.messages(text).and_(self['.own[data-state="sent"]'])

    def sees(self, text: str) -> None:
        """The message is on the screen, once."""
        expect(self.messages(text)).to_have_count(1)
        expect(self.messages(text)).to_be_visible()

    def unread(self, peer: int | str) -> Locator:
        return self[f'#conversations [data-peer="{peer}"]']

    def texts(self) -> list[str]:
        """All messages in the page, in their order."""
        return self["#message-list .bubble"].all_inner_texts()

    def opens_settings(self) -> None:
        self["#open-settings"].click()
        expect(self["#settings"]).to_be_visible()


class Someone:
    """A person with a browser of their own, in which they are logged in or not yet."""

    def __init__(
        self, context: BrowserContext, origin: str, user_id: int, people: Collection[int]
    ) -> None:
        self.context = context
        self.user_id = user_id
        self.windows: list[Window] = []
        self._origin = origin
        self._people = people

    def window(self) -> Window:
        """A new tab, empty."""
        self.windows.append(Window(self.context.new_page(), self._origin, self._people))
        return self.windows[-1]

    def enters(self, address: str = "") -> Window:
        """A new tab in the chat."""
        return self.window().enters(address)

    def logs_in(self, password: str = PASSWORD) -> Someone:
        """As the form does, without the form."""
        answer = self.context.request.post(
            f"{self._origin}/api/login",
            data={"userId": self.user_id, "userPwd": password},
            headers={"Origin": self._origin},
        )
        assert answer.json()["code"] == 200, answer.text()
        return self


class World:
    """One server and one browser, and all who are there in one test.

    :param ids: gives user ids that no other test uses.
    :param size: width and height of each new window, in pixels.
    :param settings: what each new browser is like, unless it is told.
    """

    def __init__(
        self,
        browser: Browser,
        server: Server,
        ids: Callable[[], int],
        size: Size = DESKTOP,
        **settings: Any,
    ) -> None:
        self.server = server
        self.size = size
        self.origin = origin_of(server)
        # Without a service worker, which would fetch the whole page once more for each browser.
        self._settings = {"locale": "en-GB", "service_workers": "block"} | settings
        self._browser = browser
        self._new_id = ids
        self._ids: list[int] = []
        self._people: list[Someone] = []

    def browser_of(
        self,
        user_id: int,
        *,
        size: Size | None = None,
        browser: Browser | None = None,
        **more: Any,
    ) -> Someone:
        """A browser that has not been here before; ``browser``: of another kind than the others."""
        width, height = size or self.size
        given = self._settings | {"viewport": {"width": width, "height": height}} | more
        context = (browser or self._browser).new_context(**given)
        self._people.append(Someone(context, self.origin, user_id, self._ids))
        return self._people[-1]

    def new_id(self) -> int:
        """A user id that nobody has as yet."""
        self._ids.append(self._new_id())
        return self._ids[-1]

    def newcomer(self, **more: Any) -> Someone:
        """Somebody who has no account yet."""
        return self.browser_of(self.new_id(), **more)

    def registered(self, name: str = "") -> int:
        """The id of a new account."""
        user_id = self.new_id()
        with self.server.client() as client:
            assert client.register(user_id, name) == 200
        return user_id

    def someone(self, name: str = "", **more: Any) -> Someone:
        """Somebody who is logged in, without a tab as yet."""
        return self.browser_of(self.registered(name), **more).logs_in()

    def close(self) -> list[str]:
        """Close all browsers; what happened in them that never should."""
        trouble = [
            line for one in self._people for window in one.windows for line in window.trouble
        ]
        for person in self._people:
            person.context.close()
        return trouble


def origin_of(server: Server) -> str:
    return f"http://127.0.0.1:{web_port(server)}"


def new_ids() -> Callable[[], int]:
    numbers = count(2000)
    return lambda: next(numbers)
