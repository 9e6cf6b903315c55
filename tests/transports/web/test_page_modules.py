"""The page's modules that need no browser, by the tests in tests/transports/web/js."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "js"
#: The first release whose test runner has all that these tests use.
OLDEST = 18


@cache
def node() -> str:
    """Where node is; skips the test if it is not, or too old."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("no node on PATH: the page's modules are not tested")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < OLDEST:
        pytest.skip(
            f"node {version.strip()} is older than {OLDEST}: the page's modules are not tested"
        )
    return path


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.test.mjs")), ids=lambda path: path.name)
def test_a_module_of_the_page_does_its_job(path: Path) -> None:
    # Not by ``node --test``, which starts one more node for each file.
    done = subprocess.run([node(), str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
