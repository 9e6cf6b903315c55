"""The line being typed, how wide its characters are, and what strangers' characters become."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from chatroom.terminal.screen.editor import LineEditor, lay_out
from chatroom.terminal.screen.glyphs import as_typed, clusters, harmless, harmless_name, width
from chatroom.terminal.screen.keys import Key

K = Key


FAMILY = "👩\u200d👩\u200d👧\u200d👦"


def edited(text: str, *keys: Key, then: str = "|") -> str:
    editor = LineEditor()
    editor.insert(text)
    for key in keys:
        editor.press(key)
    editor.insert(then)
    return editor.text


@pytest.mark.parametrize(
    ("keys", "result"),
    [
        ([K.LEFT], "one two 三|四"),
        ([K.LEFT, K.LEFT, K.LEFT, K.RIGHT], "one two |三四"),
        ([K.HOME], "|one two 三四"),
        ([K.HOME, K.END], "one two 三四|"),
        ([K.HOME, K.LEFT], "|one two 三四"),
        ([K.RIGHT], "one two 三四|"),
        ([K.WORD_LEFT], "one two |三四"),
        ([K.WORD_LEFT, K.WORD_LEFT, K.WORD_LEFT, K.WORD_LEFT], "|one two 三四"),
        ([K.HOME, K.WORD_RIGHT], "one| two 三四"),
        ([K.HOME, K.WORD_RIGHT, K.WORD_RIGHT], "one two| 三四"),
        ([K.BACKSPACE], "one two 三|"),
        ([K.HOME, K.BACKSPACE], "|one two 三四"),
        ([K.HOME, K.DELETE], "|ne two 三四"),
        ([K.DELETE], "one two 三四|"),
        ([K.KILL_WORD], "one two |"),
        ([K.LEFT, K.KILL_BEFORE], "|四"),
        ([K.LEFT, K.KILL_AFTER], "one two 三|"),
        ([K.NOTHING], "one two 三四|"),
    ],
)
def test_keys_edit_the_line(keys: list[Key], result: str) -> None:
    assert edited("one two 三四", *keys) == result


def test_what_combines_is_one_character_to_the_cursor() -> None:
    for whole in (FAMILY, "e\u0301", "\u1112\u1161\u11ab", "🇩🇪", "👍🏽", "☺\ufe0f"):
        assert edited(f"x{whole}", K.LEFT) == f"x|{whole}"
        assert edited(f"x{whole}", K.BACKSPACE) == "x|"
        assert edited(f"{whole}x", K.HOME, K.RIGHT) == f"{whole}|x"
        assert edited(f"{whole}x", K.HOME, K.DELETE) == "|x"


def test_up_and_down_go_through_earlier_lines_and_keep_the_one_begun() -> None:
    editor = LineEditor(["first", "second"])
    editor.insert("begun")
    seen = []
    for key in (K.UP, K.UP, K.UP, K.DOWN, K.DOWN, K.DOWN):
        editor.press(key)
        seen.append(editor.text)
    assert seen == ["second", "first", "first", "second", "begun", "begun"]


def test_a_line_wraps_where_the_terminal_wraps_it() -> None:
    assert lay_out("> ", "abcdef", 6, 5) == (("> abc", "def"), 1, "def")


def test_a_wide_character_goes_to_the_next_row_whole() -> None:
    assert lay_out(">", "a你好", 3, 3) == ((">a", "你", "好"), 2, "好")


def test_after_a_full_row_the_cursor_stands_on_a_new_one() -> None:
    assert lay_out("", "abc", 3, 3) == (("abc", ""), 1, "")
    assert lay_out("", "abc", 0, 3) == (("abc", ""), 0, "")


def test_the_cursor_never_stands_behind_a_row() -> None:
    assert lay_out("", "abc\u0301d", 3, 3) == (("abc\u0301", "d"), 1, "")


def test_tabs_of_a_prompt_go_to_the_tab_stops() -> None:
    assert lay_out("\ta\t", "x", 1, 40).rows == (" " * 8 + "a" + " " * 7 + "x",)


def test_a_line_longer_than_the_screen_shows_the_part_around_the_cursor() -> None:
    layout = lay_out("", "a" * 10 + "b" * 10 + "c" * 10, 15, 10).within(1)
    assert layout == (("b" * 10,), 0, "b" * 5)
    assert lay_out("", "abc", 3, 10).within(4) == (("abc",), 0, "abc")


@given(st.text(max_size=60), st.integers(2, 12))
def test_no_row_is_wider_than_the_screen(text: str, columns: int) -> None:
    layout = lay_out("> ", text, len(text), columns)
    for row in layout.rows:
        assert sum(map(width, clusters(row))) <= columns or len([*clusters(row)]) == 1
    assert layout.rows[layout.row].startswith(layout.before)
    assert sum(map(width, clusters(layout.before))) < columns


def test_the_rows_above_the_cursor_are_counted_as_a_narrower_terminal_wraps_them() -> None:
    layout = lay_out("", "a" * 20 + "b" * 15, 33, 20)
    assert (layout.row, layout.rows_above(20), layout.rows_above(10)) == (1, 1, 3)
    # What some terminals show as one picture may have stayed in its row.
    assert lay_out("", FAMILY * 8, 40, 20).rows_above(10) == 3


@pytest.mark.parametrize(
    ("cluster", "columns"),
    [
        *[("a", 1), ("你", 2), ("😀", 2), ("\u0301", 0), ("\u200d", 0), ("é", 1), ("e\u0301", 1)],
        *[("\u1112\u1161\u11ab", 2), ("☺\ufe0f", 2), (FAMILY, 8), ("🇩🇪", 4)],
    ],
)
def test_a_cluster_has_the_most_columns_that_terminals_give_it(cluster: str, columns: int) -> None:
    assert width(cluster) == columns


@pytest.mark.parametrize(
    ("content", "printed"),
    [
        ("plain 文字 👩\u200d👧\ta", "plain 文字 👩\u200d👧\ta"),
        ("\x1b[31mred\x07", "␛[31mred␇"),
        ("\x9b31m\x7f", "\ufffd31m␡"),
        ("a\u202eb\u2066c\u200f\ufeff", "abc"),
        ("one\r\ntwo\nthree\u2028four", "one\n    │ two\n    │ three\n    │ four"),
        ("one\rtwo", "one␍two"),
        ("z" + "\u0300" * 50, "z" + "\u0300" * 4),
        ("\ud800", "\ufffd"),
    ],
)
def test_a_message_is_made_harmless(content: str, printed: str) -> None:
    assert harmless(content) == printed


def test_a_name_stays_on_one_line() -> None:
    assert harmless_name(" a\n\tb\x1b \u202ec ") == "a b␛ c"


def test_what_is_typed_stays_on_its_line() -> None:
    assert "".join(map(as_typed, "a\n\t\u2028你")) == "a↵␉\ufffd你"
