"""Which language the menus speak, and how a text becomes one of it."""

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from chatroom.terminal import texts

#: From one of `texts` to the same in the language spoken.
Translate = Callable[[str], str]

LANGUAGES: Final = ("zh", "en")
_LOCALE: Final = Path(__file__).parent / "locale"


def language_of(environ: Mapping[str, str]) -> str:
    """English where the locale is English, else Chinese; the variables are those of POSIX."""
    locale = next(
        (environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), ""
    )
    return "en" if locale.lower().startswith("en") else "zh"


def translation(language: str) -> Translate:
    """What turns `texts` into ``language``, which is one of `LANGUAGES`."""
    if language == "zh":
        return str
    return gettext.translation("chatroom", _LOCALE, [language]).gettext


def in_language(say: Translate, en: str, zh: str) -> str:
    """The one of two texts that is in the language of ``say``."""
    return zh if say(texts.SENT) == texts.SENT else en
