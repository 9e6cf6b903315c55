"""Draws what was measured over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from tests.soak.samples import Sample

#: What is drawn in one frame each, all over the same time.
FRAMES = [
    ("members",),
    ("memory (MiB)", "store's memory (MiB)"),
    ("files", "threads"),
    ("deferreds", "timers"),
    ("objects",),
    ("keys",),
]


def draw(
    file: Path,
    times: Sequence[float],
    samples: Sequence[Sample],
    calm: Sequence[tuple[float, float]],
) -> None:
    """Write a PNG.

    :param times: minutes since the start, one for each sample.
    :param calm: from when to when nobody did anything: what is compared comes from there.
    """
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, frames = plt.subplots(len(FRAMES), 1, sharex=True, figsize=(10, 14))
    for frame, names in zip(frames, FRAMES, strict=True):
        plot: Any = frame
        for name in names:
            plot.plot(times, [sample[name] for sample in samples], label=name, linewidth=1)
        for begin, end in calm:
            plot.axvspan(begin, end, color="0.9")
        plot.set_ylim(bottom=0)
        plot.legend(loc="lower right", fontsize="small")
        plot.grid(visible=True, color="0.95")
    frames[-1].set_xlabel("minutes; grey: everybody is there, and quiet")
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)
