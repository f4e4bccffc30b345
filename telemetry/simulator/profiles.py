"""Who the homes are: place, equipment and generation of exporter, deterministic by seed and hostname."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from telemetry.simulator.noise import seed_of

Climate = Literal["las_vegas", "phoenix"]
Generation = Literal["legacy", "base_units"]

GPUS_PER_NODE: Final = 16
WORKLOAD_OF_GPU: Final = np.array([0] * 10 + [1] * 4 + [2] * 2)
"""Which workload class each GPU slot serves: ten for inference, four for gaming, two for streaming."""

TIMEZONES: Final[dict[Climate, str]] = {"las_vegas": "America/Los_Angeles", "phoenix": "America/Phoenix"}
_INTERNET_PROVIDERS: Final[dict[Climate, tuple[str, ...]]] = {
    "las_vegas": ("Mojave Fiber", "Silver State Fiber"),
    "phoenix": ("Saguaro Fiber", "Valley Fiber"),
}


@dataclass(frozen=True, slots=True)
class HomeProfile:
    """What does not change about a home and its node."""

    hostname: str
    timezone: str
    climate: Climate
    has_solar: bool
    generation: Generation
    isp: str
    solar_peak_watts: float
    air_conditioner_watts: float
    ev_charger_watts: float
    battery_reserve_ratio: float
    download_plan_bits_per_second: float
    upload_plan_bits_per_second: float


def profiles_for(
    hostnames: Sequence[str], seed: int, generation: Generation | Literal["mixed"] = "mixed"
) -> list[HomeProfile]:
    """One profile per hostname, in order. A hostname has the same profile in every fleet of this seed."""
    return [_profile(hostname, seed, generation) for hostname in hostnames]


def _profile(hostname: str, seed: int, generation: Generation | Literal["mixed"]) -> HomeProfile:
    random = np.random.default_rng(seed_of("profile", seed, hostname))
    climate: Climate = "las_vegas" if random.random() < 0.55 else "phoenix"
    has_solar = bool(random.random() < 0.35)
    drawn: Generation = "legacy" if random.random() < 0.5 else "base_units"
    return HomeProfile(
        hostname=hostname,
        timezone=TIMEZONES[climate],
        climate=climate,
        has_solar=has_solar,
        generation=drawn if generation == "mixed" else generation,
        isp=str(random.choice(_INTERNET_PROVIDERS[climate])),
        solar_peak_watts=float(random.integers(40, 75)) * 100.0 if has_solar else 0.0,
        air_conditioner_watts=float(random.integers(35, 56)) * 100.0,
        ev_charger_watts=float(random.choice((11_500.0, 19_200.0, 19_200.0))),
        battery_reserve_ratio=float(random.choice((0.2, 0.3, 0.3, 0.4))),
        download_plan_bits_per_second=float(random.choice((1e9, 2e9))),
        upload_plan_bits_per_second=1e9,
    )


def gpu_uuids(hostname: str, seed: int) -> list[str]:
    """The 16 GPU UUIDs of a node, in slot order, as NVIDIA prints them."""
    halves = [
        (seed_of("gpu", seed, hostname, slot), seed_of("board", seed, hostname, slot)) for slot in range(GPUS_PER_NODE)
    ]
    return [f"GPU-{uuid.UUID(int=(high << 64) | low, version=4)}" for high, low in halves]
