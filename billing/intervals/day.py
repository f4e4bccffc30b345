"""A home's local day, all channels together: what each one's register says, what they say about one another, and
what people answered to questions about them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from billing.intervals.checks import Problem, Question, above_supply, limit_wh
from billing.intervals.edges import Epoch
from billing.intervals.evidence import Evidence
from billing.intervals.metering import Metered, ShapeOf, meter, runs
from billing.intervals.quality import Quality

NO_WH: Final = -1
"""In an answer, in place of Wh: the question was about a quarter-hour whose value cannot be told."""

Answers = Mapping[tuple[int, int], bool]
"""By (Unix second at which a quarter-hour begins, the Wh that were asked about): accepted or discarded."""

_SUPPLY: Final = ("site_import", "solar", "battery_out")
_KEPT_BEFORE: Final = {
    Quality.MEASURED: "-er",
    Quality.ACCEPTED: "-er",
    Quality.ROLLED: "-e",
}
"""What may not take the place of a quarter-hour of some quality, as the database has it too."""


@dataclass(frozen=True)
class Circumstances:
    """What else a channel's readings depend on."""

    shape_of: ShapeOf
    epochs: Sequence[Epoch] = ()
    answers: Answers | None = None


def meter_day(
    evidence: Evidence, service_amperes: int, circumstances: Mapping[str, Circumstances]
) -> dict[str, Metered]:
    """Readings of each channel that was heard."""
    found = {
        channel: meter(
            edges, limit_wh(channel, service_amperes), circumstances[channel].shape_of, circumstances[channel].epochs
        )
        for channel, edges in evidence.items()
    }
    if "node" in found:
        found["node"] = _doubt_above_supply(found)
    return {
        channel: answered(metered, evidence[channel].at, circumstances[channel].answers or {})
        for channel, metered in found.items()
    }


def answered(metered: Metered, edges: npt.NDArray[np.int64], answers: Answers) -> Metered:
    """With what people said about its questions; those that are left are still open."""
    if not metered.questions or not answers:
        return metered
    wh, letters, left = metered.wh.copy(), metered.letters.copy(), []
    for question in metered.questions:
        amounts = question.wh or (NO_WH,) * (question.last - question.first)
        is_open = np.zeros(len(wh), np.bool_)
        for slot, amount in zip(range(question.first, question.last), amounts, strict=True):
            answer = answers.get((int(edges[slot]), amount))
            if answer is None:
                is_open[slot] = True
            else:
                accepted = answer and amount != NO_WH
                wh[slot] = amount if accepted else 0
                letters[slot] = ord(Quality.ACCEPTED if accepted else Quality.MISSING)
        for first, last in runs(is_open):
            part = question.wh[first - question.first : last - question.first]
            left.append(replace(question, first=first, last=last, wh=part))
    return Metered(wh, letters, tuple(left))


def superseding(before: Metered, after: Metered) -> Metered:
    """The next version of a day: no estimate, and nothing that is less exact, takes the place of what was measured."""
    keep = np.zeros(len(after.wh), np.bool_)
    for quality, lesser in _KEPT_BEFORE.items():
        keep |= (before.letters == ord(quality)) & np.isin(after.letters, [ord(letter) for letter in lesser])
    return Metered(np.where(keep, before.wh, after.wh), np.where(keep, before.letters, after.letters), after.questions)


def _doubt_above_supply(found: Mapping[str, Metered]) -> Metered:
    node = found["node"]
    nothing = np.zeros(len(node.wh), np.int64)
    wh = {"node": node.wh, **{channel: found[channel].wh if channel in found else nothing for channel in _SUPPLY}}
    certain = np.isin(node.letters, [ord(Quality.MEASURED), ord(Quality.ROLLED)])
    for channel in _SUPPLY:
        if channel in found:
            certain &= np.isin(found[channel].letters, [ord(Quality.MEASURED), ord(Quality.ROLLED)])
    if "site_import" not in found:
        certain[:] = False
    doubted = above_supply(wh) & certain
    if not doubted.any():
        return node
    questions = [
        Question(
            Problem.NODE_ABOVE_SUPPLY,
            first,
            last,
            tuple(node.wh[first:last].tolist()),
            "the node would have drawn more than the grid, the roof and the battery gave",
        )
        for first, last in runs(doubted)
    ]
    letters = np.where(doubted, ord(Quality.QUARANTINED), node.letters).astype(np.uint8)
    return Metered(np.where(doubted, 0, node.wh), letters, (*node.questions, *questions))
