"""Run the benchmarks and print one table: ``python -m benchmarks [--quick]``."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import time
from pathlib import Path

from benchmarks.lines import Section, everything, quick
from benchmarks.programs import BenchmarkError, Kit


def machine() -> str:
    """What it runs on, as one line."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", info)
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


def _row(*cells: str) -> None:
    print("| " + " | ".join([*cells, *[""] * (6 - len(cells))]) + " |", flush=True)


def _show(section: Section) -> None:
    _row(f"**{section.title}**", "**chatroom**", *section.columns)
    for figure in section.figures:
        _row(figure.what, figure.value, *figure.others)
    for remark in section.remarks:
        _row(f"_{remark}_")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the main lines only")
    options = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("benchmarks: they need Linux (epoll, CPU affinity, /proc)")
    began = time.monotonic()
    try:
        with Kit() as kit:
            print(f"{machine()}; load average at the start {os.getloadavg()[0]:.1f}\n")
            _row()
            _row("---", *["---:"] * 5)
            for line in quick() if options.quick else everything():
                _show(line(kit))
    except BenchmarkError as error:
        sys.exit(f"benchmarks: {error}")
    print(f"\nMedians of three where not said otherwise; {time.monotonic() - began:.0f} s in all.")


if __name__ == "__main__":
    main()
