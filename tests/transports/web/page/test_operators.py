"""What operators do, as those see it in the page whom it concerns."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.system.lab import Server
from tests.system.test_admin import Admin
from tests.transports.web.page.chromium import World
from tests.wire import PASSWORD


@pytest.fixture
def admin(server: Server) -> Admin:
    return Admin("--data", str(server.data))


def test_who_is_banned_is_told_why_wherever_they_try(world: World, admin: Admin) -> None:
    person = world.someone("kiwi")
    one, two = person.enters(), person.enters()
    admin.says("ban", person.user_id, "--for", "12h", "--reason", "enough")
    for window in (one, two):
        window.is_asked_to_log_in()
        expect(window["#login-notice"]).to_contain_text("you are banned until")
        expect(window["#login-notice"]).to_contain_text("enough")
    one.opens().is_asked_to_log_in()
    expect(one["#login-notice"]).to_contain_text("enough")
    one.logs_in(person.user_id, PASSWORD)
    expect(one["#login-error"]).to_contain_text("enough")
    admin.says("unban", person.user_id)
    one.logs_in(person.user_id, PASSWORD).is_online()


@pytest.mark.parametrize(
    ("locale", "banned", "muted"),
    [("en-GB", "you are banned", "you are muted"), ("zh-CN", "您已被封禁", "您已被禁言")],
)
def test_what_operators_do_is_told_in_the_pages_language(
    world: World, admin: Admin, locale: str, banned: str, muted: str
) -> None:
    person = world.someone("kiwi", locale=locale)
    window = person.enters("#/lobby")
    admin.says("mute", person.user_id, "--for", "1h", "--reason", "spam")
    window.writes("can you hear me?")
    fate = window['#message-list [data-state="failed"] .fate']
    expect(fate).to_contain_text(muted)
    expect(fate).to_contain_text("spam")
    admin.says("ban", person.user_id, "--for", "12h", "--reason", "spam")
    window.is_asked_to_log_in()
    said = [window["#login-notice"].inner_text()]
    window.logs_in(person.user_id)
    expect(window["#login-error"]).to_contain_text("spam")
    said.append(window["#login-error"].inner_text())
    for text in said:
        assert banned in text
        assert bool(re.search(r"[一-鿿]", text)) is (locale == "zh-CN"), text


def test_who_is_kicked_is_told_why_and_comes_back_by_their_own_doing(
    world: World, admin: Admin
) -> None:
    person = world.someone("kiwi")
    window = person.enters()
    other = world.someone("lime").enters()
    row = other[f'.person[data-user="{person.user_id}"]']
    expect(row).to_be_visible()
    admin.says("kick", person.user_id, "--reason", "calm down")
    window.is_asked_to_log_in()
    expect(window["#login-notice"]).to_contain_text("calm down")
    expect(row).to_have_count(0)
    window.logs_in(person.user_id).is_online()
    expect(row).to_be_visible()


def test_who_is_muted_sees_why_and_may_send_it_later(world: World, admin: Admin) -> None:
    person = world.someone("kiwi")
    window, other = person.enters(), world.someone("lime").enters()
    admin.says("mute", person.user_id, "--for", "1h", "--reason", "spam")
    window.writes("can you hear me?")
    failed = window['#message-list [data-state="failed"]']
    expect(failed).to_contain_text("you are muted until")
    expect(failed).to_contain_text("spam")
    window.reloads()
    expect(failed).to_contain_text("spam")
    other.says("nothing was heard")
    expect(other.messages("can you hear me?")).to_have_count(0)
    admin.says("unmute", person.user_id)
    failed.locator("[data-action=retry]").click()
    other.sees("can you hear me?")
    expect(failed).to_have_count(0)


def test_an_announcement_stays_until_it_is_put_away(world: World, admin: Admin) -> None:
    window = world.someone("kiwi").enters()
    admin.says("announce", "down at noon <b>UTC</b>")
    expect(window["#announcement"]).to_be_visible()
    expect(window["#announcement-text"]).to_have_text("down at noon <b>UTC</b>")
    expect(window["#announcer"]).to_contain_text("down at noon")
    window.says("it is no message")
    assert "down at noon <b>UTC</b>" not in window.texts()
    window["#close-announcement"].click()
    expect(window["#announcement"]).to_be_hidden()
