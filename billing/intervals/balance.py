"""Whether the meters agree: what the house took in is what its parts took, and the utility counted the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

BATTERY_EFFICIENCY_FLOOR: Final = 0.7
"""A battery that gives back less of what it took over a period than this is a meter to look at."""


@dataclass(frozen=True)
class Balance:
    """Per interval, Wh, importing positive: home + node + battery + losses = net + residual's absence.

    `utility` is the utility's net count, or the panel's where there is no file. `home` is what is left for the
    household by the panel's meters, or its own meter's count where one is given; `losses` is then what the panel's
    meters do not account for. `residual` is `utility` less all of these: 0 where the meters agree.
    """

    utility: Ints
    home: Ints
    node: Ints
    battery: Ints
    solar: Ints
    losses: Ints
    residual: Ints


def balance(panel: Mapping[str, Ints], utility_net: Ints | None = None, home: Ints | None = None) -> Balance:
    """`panel` has Wh by channel; a channel that is not there does not exist at this home."""
    nothing = np.zeros(len(panel["site_import"]), np.int64)
    net = panel["site_import"] - panel.get("site_export", nothing)
    battery = panel.get("battery_in", nothing) - panel.get("battery_out", nothing)
    solar, node = panel.get("solar", nothing), panel.get("node", nothing)
    left = net + solar - node - battery
    household = left if home is None else home
    losses = left - household
    utility = net if utility_net is None else utility_net
    return Balance(
        utility, household, node, battery, solar, losses, utility - (household + node + battery + losses - solar)
    )
