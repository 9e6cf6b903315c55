"""What building the package puts beside the page's files."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from typing import Any

import brotli
import pytest

from chatroom.transports.web.files import ENCODINGS, TYPES, read_files

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def setup_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``setup.py``, without it setting up anything."""
    setuptools = pytest.importorskip("setuptools", reason="setuptools is not installed here")
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    spec = importlib.util.spec_from_file_location("setup_of_chatroom", CHECKOUT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_text_gets_its_compressed_forms_which_the_server_finds(
    setup_module: Any, tmp_path: Path
) -> None:
    text = b"body { color: black }\n" * 50
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "style.css").write_bytes(text)
    (tmp_path / "picture.png").write_bytes(text)
    (tmp_path / "short.txt").write_bytes(b"a")
    made = {path.relative_to(tmp_path).as_posix() for path in setup_module.compress(tmp_path)}
    assert made == {"parts/style.css.br", "parts/style.css.gz"}
    file = read_files(tmp_path)["parts/style.css"]
    plain = {
        "br": brotli.decompress(file.choose("br").body),
        "gzip": gzip.decompress(file.choose("gzip").body),
        "identity": file.choose("").body,
    }
    assert plain == dict.fromkeys(plain, text)


def test_it_is_made_twice_the_same(setup_module: Any, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"<p>words and words and words</p>" * 20)
    forms = [[path.read_bytes() for path in setup_module.compress(tmp_path)] for _ in range(2)]
    assert forms[0] == forms[1] != []


def test_what_is_compressed_is_what_the_server_knows(setup_module: Any) -> None:
    assert set(TYPES) > setup_module.COMPRESSIBLE
    assert set(ENCODINGS.values()) == {".br", ".gz"}
