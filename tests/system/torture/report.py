"""What acts showed, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from tests.system.torture.act import Outcome
from tests.system.torture.playing import Played

_HEAD = (
    *("acts", "sends", "acknowledged", "delivered"),
    *("lost", "doubled", "out of order", "back, s", "well, s"),
)
#: Most lines about one act.
_MOST = 20


def _row(cells: Sequence[object], width: int) -> str:
    first, *others = map(str, cells)
    columns = [f"{cell:>{len(head)}}" for cell, head in zip(others, _HEAD, strict=True)]
    return f"| {first:<{width}} | {' | '.join(columns)} |"


def line(name: str, outcomes: Sequence[Outcome], width: int) -> str:
    """One row of the table: counts are added up, of the times it is the longest."""

    def total(field: str) -> int:
        return sum(getattr(outcome.verdict, field) for outcome in outcomes)

    fields = ("sends", "acknowledged", "delivered", "lost", "doubled", "out_of_order")
    back = max(outcome.back_after for outcome in outcomes)
    well = max(outcome.well_after for outcome in outcomes)
    counts = [len(outcomes), *map(total, fields)]
    return _row([name, *counts, f"{back:.1f}", f"{well:.1f}"], width)


def told(played: Played, width: int) -> str:
    """An act that is over, and all that was wrong."""
    name, seed = played.job.fault.name, played.job.seed
    if played.left_out:
        return f"{name}: left out: {played.left_out}"
    if played.outcome is None:
        return f"{name}: seed {seed}: the act itself broke: {played.broken}"
    lines = [line(name, [played.outcome], width)]
    for why, count in played.outcome.refusals.most_common():
        lines.append(f"    {count} refused: {why}")
    faults = played.outcome.verdict.faults
    lines += [f"    seed {seed}: {text}" for text in faults[:_MOST]]
    if len(faults) > _MOST:
        lines.append(f"    seed {seed}: and {len(faults) - _MOST} more")
    return "\n".join(lines)


def table(played: Sequence[Played], width: int) -> str:
    """A row for each fault, of all acts that it was in, and one for all acts together."""
    over = [each for each in played if each.outcome is not None]
    names = dict.fromkeys(name for each in over for name in each.job.parts)
    lines = [_row(["fault", *_HEAD], width), "| --- |" + " ---: |" * len(_HEAD)]
    for name in names:
        same = [each.outcome for each in over if name in each.job.parts and each.outcome]
        lines.append(line(name, same, width))
    everything = [each.outcome for each in over if each.outcome]
    if everything:
        lines.append(line("all together", everything, width))
    return "\n".join(lines)


def mutants_table(played: Sequence[Played]) -> str:
    """How often each of the faults that were put into the program was found."""
    names = dict.fromkeys(each.job.parts[0] for each in played)
    lines = ["| put into the program | found by | runs | found |", "| --- | --- | ---: | ---: |"]
    for name in names:
        same = [each for each in played if each.job.parts[0] == name]
        mutant = same[0].job.mutant
        signs = ", ".join(mutant.signs) if mutant else ""
        found = sum(each.mutant_found for each in same)
        lines.append(f"| {name} | {signs} | {len(same)} | {found} |")
    return "\n".join(lines)
