"""The texts: both languages have all of them, and the compiled catalogue is the written one."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest

from chatroom.terminal import texts

FOLDER = Path(texts.__file__).parent / "locale" / "en" / "LC_MESSAGES"
TEXTS = {
    name: text for name, text in vars(texts).items() if name.isupper() and isinstance(text, str)
}


def written() -> dict[str, str]:
    """What the catalogue's source says."""
    entries: dict[str, str] = {}
    for block in (FOLDER / "chatroom.po").read_text("utf-8").split("\n\n"):
        key, _, value = block.partition("msgstr ")
        entries[unquoted(key)] = unquoted(value)
    return entries


def unquoted(block: str) -> str:
    return "".join(ast.literal_eval(part) for part in re.findall(r'^[^#"\n]*(".*")$', block, re.M))


def compiled() -> dict[str, str]:
    with (FOLDER / "chatroom.mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    return {key: catalogue.gettext(key) for key in written() if key}


def test_the_compiled_catalogue_is_the_written_one() -> None:
    assert compiled() == {key: value for key, value in written().items() if key}


def test_every_text_is_translated_and_no_other() -> None:
    assert set(compiled()) == set(TEXTS.values())
    assert len(set(TEXTS.values())) == len(TEXTS)
    assert all(compiled().values())


@pytest.mark.parametrize("name", TEXTS)
def test_a_translation_has_the_same_values_and_is_in_its_language(name: str) -> None:
    source, english = TEXTS[name], texts.translation("en")(TEXTS[name])
    assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", source))
    assert english.isascii()
    assert re.search("[\u4e00-\u9fff]", source)
    assert texts.translation("zh")(source) == source


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ({"LANG": "C.UTF-8"}, "zh"),
        ({}, "zh"),
    ],
)
def test_english_where_the_locale_is_english_else_chinese(
    environ: dict[str, str], language: str
) -> None:
    assert texts.language_of(environ) == language
    assert language in texts.LANGUAGES
