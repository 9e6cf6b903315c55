"""Keys: what a terminal sends becomes what was pressed."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from chatroom.terminal.screen.keys import Key, KeyDecoder, Pasted, Press, Typed


def presses(*pieces: str) -> list[Press]:
    decoder = KeyDecoder()
    return [press for piece in pieces for press in decoder.feed(piece)]


@pytest.mark.parametrize(
    ("sequence", "key"),
    [
        ("\x1b[D", Key.LEFT),
        ("\x1bOC", Key.RIGHT),
        ("\x1b[1;5D", Key.WORD_LEFT),
        ("\x1b[1;3C", Key.WORD_RIGHT),
        ("\x1bb", Key.WORD_LEFT),
        ("\x1bf", Key.WORD_RIGHT),
        ("\x1b\x7f", Key.KILL_WORD),
        ("\x1b[H", Key.HOME),
        ("\x1b[1~", Key.HOME),
        ("\x1b[7~", Key.HOME),
        ("\x1bOF", Key.END),
        ("\x1b[4~", Key.END),
        ("\x1b[A", Key.UP),
        ("\x1b[B", Key.DOWN),
        ("\x1b[3~", Key.DELETE),
        ("\x1b[5~", Key.NOTHING),
        ("\x1b[200;1Z", Key.NOTHING),
        ("\x1bOx", Key.NOTHING),
        ("\x7f", Key.BACKSPACE),
        ("\x08", Key.BACKSPACE),
        ("\r", Key.ENTER),
        ("\n", Key.ENTER),
        ("\x01", Key.HOME),
        ("\x05", Key.END),
        ("\x15", Key.KILL_BEFORE),
        ("\x0b", Key.KILL_AFTER),
        ("\x17", Key.KILL_WORD),
        ("\x04", Key.END_OF_INPUT),
        ("\x0c", Key.REDRAW),
        ("\x07", Key.NOTHING),
    ],
)
def test_a_key_is_known_by_what_terminals_send_whole_or_in_pieces(sequence: str, key: Key) -> None:
    assert presses(sequence) == [key]
    assert presses(*sequence) == [key]


def test_text_between_keys_is_typed() -> None:
    assert presses("你好\tx\r") == [Typed("你好\tx"), Key.ENTER]


def test_the_escape_key_by_itself_does_not_eat_what_is_typed_next() -> None:
    assert presses("\x1b", "你") == [Typed("你")]
    assert presses("\x1b", "\r") == [Key.ENTER]
    assert presses("\x1b\x1b[A") == [Key.UP]


def test_a_sequence_without_end_is_given_up() -> None:
    assert presses("\x1b[" + "1" * 40) == [Typed("[" + "1" * 40)]


def test_a_paste_is_one_press_with_its_line_ends_made_the_same() -> None:
    assert presses("a\x1b[200~one\r\ntwo\rthree\x1b[201~\r") == [
        Typed("a"),
        Pasted("one\ntwo\nthree"),
        Key.ENTER,
    ]


def test_keys_inside_a_paste_do_nothing() -> None:
    assert presses("\x1b[200~a\x04\x1b[A\x1b[201~") == [Pasted("a\x04\x1b[A")]


def test_a_paste_may_come_in_any_pieces() -> None:
    assert presses(*"\x1b[200~a\x1b[2b\r\nc\x1b[201~d") == [Pasted("a\x1b[2b\nc"), Typed("d")]


@given(st.lists(st.text(alphabet="ab\x1b[O0~;2\r\x7f你", max_size=6), max_size=8))
def test_any_input_in_any_pieces_gives_keys_and_no_error(pieces: list[str]) -> None:
    presses(*pieces)
