"""The page in Firefox: what differs most among browsers, and talking with another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.system.lab import Server
from tests.transports.web.page import (
    test_composer,
    test_faults,
    test_newcomers,
    test_tabs,
    test_talking,
)
from tests.transports.web.page.chromium import PHONE, Window, World
from tests.transports.web.page.conftest import a_world
from tests.wire import PASSWORD

on_a_phone = pytest.mark.parametrize("world", [PHONE], ids=["phone"], indirect=True)


@pytest.fixture
def world(
    firefox: Browser, server: Server, ids: Callable[[], int], request: pytest.FixtureRequest
) -> Iterator[World]:
    """As for all other tests, but of Firefox."""
    yield from a_world(firefox, server, ids, request)


def test_who_registers_with_one_browser_talks_with_another(world: World, browser: Browser) -> None:
    person = world.newcomer()
    fox = person.window().opens()
    fox["#choose-register"].click()
    for field, text in {"id": str(person.user_id), "name": "狐", "password": PASSWORD}.items():
        fox[f"#register-{field}"].fill(text)
    fox["#register-submit"].click()
    fox.is_online().goes_to("lobby").says("hello from Firefox")
    other = world.someone("lime", browser=browser).enters("#/lobby")
    other.sees("hello from Firefox")
    other.says("hello from Chromium")
    fox.sees("hello from Chromium")
    fox.reloads()
    expect(fox["#me-name"]).to_have_text("狐")
    fox.sees("hello from Chromium")


@on_a_phone
def test_the_field_is_as_high_as_its_text(world: World) -> None:
    test_composer.test_the_field_is_as_high_as_its_text_from_the_first_and_at_any_width(world)
    test_composer.test_a_long_name_leaves_the_empty_field_one_line_high(world)


def test_a_field_says_what_is_wrong_and_a_number_is_suggested(world: World) -> None:
    test_newcomers.test_a_free_number_is_suggested_and_taken_by_a_click(world)


@on_a_phone
def test_the_place_stays_when_the_width_changes(world: World) -> None:
    test_faults.test_the_place_in_the_messages_stays_when_the_layout_changes(world)


def test_drafts_are_kept(world: World) -> None:
    test_tabs.test_drafts_of_two_tabs_are_all_kept(world)
    test_tabs.test_a_draft_that_was_sent_in_one_tab_is_in_no_other(world)


def test_a_page_that_goes_has_confirmed_what_came(world: World) -> None:
    test_talking.test_a_reload_brings_nothing_again_that_has_come(world)


def test_who_has_no_mouse_has_a_keyboard(world: World) -> None:
    """This Firefox has nothing to point with."""
    test_talking.test_all_is_reached_by_keyboard(world)
    window = world.someone().enters()
    assert window.page.evaluate("matchMedia('(pointer: none)').matches")
    window.opens_settings()
    expect(window["#open-keys"]).to_be_visible()


def test_tabs_agree_on_what_is_unread(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tab comes to the front before it is used: no other has the focus in Firefox."""
    goes_to = Window.goes_to

    def to_front(self: Window, peer: int | str) -> Window:
        self.page.bring_to_front()
        return goes_to(self, peer)

    monkeypatch.setattr(Window, "goes_to", to_front)
    test_talking.test_each_message_is_once_in_every_tab_which_agree_on_what_is_unread(world)
