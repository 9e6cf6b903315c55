"""Registering, logging in and out, and the password, in a browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.transports.web.page.chromium import Window, World
from tests.wire import PASSWORD

NEW_PASSWORD = "an even longer password"


def test_who_registers_is_in_the_room_unless_the_number_is_taken(world: World) -> None:
    person = world.newcomer()
    window = person.window().opens()
    window["#choose-register"].click()
    window["#register-id"].fill(str(world.registered()))
    window["#register-name"].fill("青柠 lime")
    window["#register-password"].fill(PASSWORD)
    window["#register-submit"].click()
    expect(window["#register-error"]).to_contain_text("taken")
    expect(window["#register-id"]).to_be_focused()
    window["#register-id"].fill(str(person.user_id))
    window["#register-submit"].click()
    window.is_online()
    expect(window["#me-name"]).to_have_text("青柠 lime")
    expect(window["#room-title"]).to_have_text("Lobby")


def test_who_logs_in_by_the_form_is_in_the_room(world: World) -> None:
    user_id = world.registered("kiwi")
    window = world.browser_of(user_id).window().opens()
    window.logs_in(user_id, "not the password")
    expect(window["#login-error"]).to_have_text("The password is wrong.")
    window.logs_in(user_id).is_online()
    expect(window["#me-name"]).to_have_text("kiwi")


def test_a_cookie_keeps_one_logged_in_and_no_script_or_other_site_gets_at_it(world: World) -> None:
    peer = world.registered()
    person = world.someone("kiwi")
    window = person.enters(f"#/u{peer}")
    for _ in range(2):
        window.reloads()
        expect(window["#me-name"]).to_have_text("kiwi")
        # One is where one was.
        expect(window["#room-title"]).to_have_text(f"User {peer}")
    [cookie] = person.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    token = cookie["value"].partition(".")[2]
    assert len(token) > 30
    assert window.page.evaluate("document.cookie") == ""
    stored = window.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert token not in stored
    assert token not in window.page.content()
    elsewhere = person.window()
    # Another site for the browser: the same machine by its other name.
    elsewhere.page.goto(world.origin.replace("127.0.0.1", "localhost"))
    elsewhere.is_asked_to_log_in()


def change_password(window: Window, old: str, new: str) -> None:
    window.opens_settings()
    window["#open-password"].click()
    window["#password-old"].fill(old)
    window["#password-new"].fill(new)
    window["#password-repeat"].fill(new)
    window["#password-submit"].click()


def test_a_new_password_ends_other_browsers_and_no_tab_of_this_one(world: World) -> None:
    here = world.someone("kiwi")
    there = world.browser_of(here.user_id).logs_in()
    window, tab, other = here.enters(), here.enters(), there.enters()
    change_password(window, "not the password", NEW_PASSWORD)
    expect(window["#password-error"]).to_have_text("The password is wrong.")
    # That changed nothing.
    window.reloads()
    change_password(window, PASSWORD, NEW_PASSWORD)
    expect(window["#password-done"]).to_be_visible()
    other.is_asked_to_log_in()
    expect(other["#login-notice"]).to_be_visible()
    window.page.keyboard.press("Escape")
    window.says("from the tab that changed it")
    tab.sees("from the tab that changed it")
    tab.says("from the other tab")
    for each in (window, tab):
        each.reloads().says(f"after a reload {id(each)}")
    other.logs_in(here.user_id, PASSWORD)
    expect(other["#login-error"]).to_have_text("The password is wrong.")
    other.logs_in(here.user_id, NEW_PASSWORD).is_online()


def test_logging_out_ends_all_tabs_of_the_browser(world: World) -> None:
    person = world.someone()
    window, tab = person.enters(), person.enters()
    window.opens_settings()
    window["#open-logout"].click()
    window["#logout-confirm"].click()
    for each in (window, tab):
        each.is_asked_to_log_in()
        expect(each["#login-notice"]).to_have_text("You are logged out.")
    assert person.context.cookies() == []
    tab.page.reload()
    tab.is_asked_to_log_in()


def test_the_language_is_the_browsers_until_it_is_switched(world: World) -> None:
    person = world.someone(locale="zh-CN")
    window = person.enters()
    expect(window["html"]).to_have_attribute("lang", "zh-CN")
    expect(window["#open-people"]).to_have_text(re.compile("在线"))
    window.opens_settings()
    window["#settings-language [data-language=en]"].click()
    expect(window["html"]).to_have_attribute("lang", "en")
    expect(window["#open-people"]).to_have_text(re.compile("online"))
    window.reloads()
    expect(window["#room-title"]).to_have_text("Lobby")
    stranger = world.newcomer(locale="zh-CN").window().opens()
    expect(stranger["#login-submit"]).to_have_text("登录")
    stranger["#login-language [data-language=en]"].click()
    expect(stranger["#login-submit"]).to_have_text("Log in")
