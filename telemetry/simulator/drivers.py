"""Everything that drives a node from outside, minute by minute: weather, household, sun, demand, tariff hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from telemetry.simulator.household import Household
from telemetry.simulator.noise import Floats, seeds_of, smooth, uniform
from telemetry.simulator.profiles import GPUS_PER_NODE, WORKLOAD_OF_GPU, Climate, HomeProfile

BLOCK_MINUTES: Final = 60
_YEAR_DAYS: Final = 365.2425
_MEAN_CELSIUS: Final[dict[Climate, tuple[float, float]]] = {"las_vegas": (20.5, 12.5), "phoenix": (24.0, 11.5)}
_PLACE_DEGREES: Final[dict[Climate, tuple[float, float]]] = {"las_vegas": (36.2, -115.1), "phoenix": (33.4, -112.1)}


@dataclass(frozen=True, slots=True)
class Minute:
    """The drivers of one minute; circuits (C, N), demand (3, N), gpu_demand (N, 16), the rest (N,)."""

    circuit_watts: Floats
    outdoor_celsius: Floats
    solar_watts: Floats
    demand_ratio: Floats
    gpu_demand_ratio: Floats
    battery_wish_watts: Floats


class Drivers:
    """Drivers of N homes, computed an hour at a time and held for each minute.

    They are functions of (seed, hostname, minute) alone, so the size of a step or a pause of the
    simulator never changes what the weather or the household did.
    """

    def __init__(self, profiles: Sequence[HomeProfile], seed: int) -> None:
        names = [profile.hostname for profile in profiles]
        self._seeds = seeds_of(names, "home", seed)
        self._region_seeds = seeds_of([profile.climate for profile in profiles], "region", seed)
        self._preference = 0.07 * (uniform(self._seeds, 200, np.arange(GPUS_PER_NODE)[:, None]).T - 0.5)
        self._zones = [profile.timezone for profile in profiles]
        self._mean_celsius, self._season_celsius = _columns([_MEAN_CELSIUS[p.climate] for p in profiles])
        latitude, self._longitude_degrees = _columns([_PLACE_DEGREES[p.climate] for p in profiles])
        self._latitude = np.radians(latitude)
        self._solar_peak_watts = np.array([profile.solar_peak_watts for profile in profiles])
        self._household = Household(
            self._seeds,
            np.array([profile.air_conditioner_watts for profile in profiles]),
            np.array([profile.ev_charger_watts for profile in profiles]),
        )
        self._block_start = -1
        self._block: list[Minute] = []

    def at(self, at_s: float) -> Minute:
        """The drivers that hold at an instant (seconds since the epoch)."""
        minute = int(at_s // 60)
        start = minute - minute % BLOCK_MINUTES
        if start != self._block_start:
            self._block = self._compute(start)
            self._block_start = start
        return self._block[minute - start]

    def _compute(self, first_minute: int) -> list[Minute]:
        minute = np.arange(first_minute, first_minute + BLOCK_MINUTES, dtype=np.int64)[:, None]
        utc_s = np.asarray(minute * 60.0, dtype=np.float64)
        local_s: Floats = utc_s + self._utc_offset_seconds(first_minute * 60)
        outdoor = self._outdoor_celsius(utc_s, local_s)
        circuits = self._household.circuit_watts(minute, local_s, outdoor)
        solar = self._solar_watts(utc_s)
        demand = self._demand_ratio(utc_s, local_s)
        gpus = demand.transpose(0, 2, 1)[:, :, WORKLOAD_OF_GPU] + self._preference
        battery = self._battery_wish_watts(local_s)
        return [Minute(circuits[i], outdoor[i], solar[i], demand[i], gpus[i], battery[i]) for i in range(BLOCK_MINUTES)]

    def _utc_offset_seconds(self, at_s: int) -> Floats:
        instant = datetime.fromtimestamp(at_s, UTC)
        offsets = {}
        for zone in set(self._zones):
            offset = instant.astimezone(ZoneInfo(zone)).utcoffset()
            offsets[zone] = offset.total_seconds() if offset else 0.0
        return np.array([offsets[zone] for zone in self._zones])

    def _outdoor_celsius(self, utc_s: Floats, local_s: Floats) -> Floats:
        day = local_s / 86400.0
        season = np.cos(2 * np.pi * (day % _YEAR_DAYS - 201.0) / _YEAR_DAYS)
        hour = local_s % 86400.0 / 3600.0
        swing = 7.5 + 1.5 * smooth(self._region_seeds, 1, day / 3.0)
        weather = 3.5 * smooth(self._region_seeds, 2, utc_s / 200_000.0) + 0.8 * smooth(self._seeds, 3, utc_s / 7200.0)
        return np.asarray(
            self._mean_celsius
            + self._season_celsius * season
            + swing * np.cos(2 * np.pi * (hour - 15.8) / 24.0)
            + weather
        )

    def _solar_watts(self, utc_s: Floats) -> Floats:
        year_day = utc_s / 86400.0 % _YEAR_DAYS
        declination = np.radians(23.44) * np.sin(2 * np.pi * (year_day - 80.0) / _YEAR_DAYS)
        hour_angle = np.radians(((utc_s / 3600.0 + self._longitude_degrees / 15.0) % 24.0 - 12.0) * 15.0)
        elevation = np.sin(self._latitude) * np.sin(declination)
        elevation = elevation + np.cos(self._latitude) * np.cos(declination) * np.cos(hour_angle)
        overcast = np.clip(smooth(self._region_seeds, 5, utc_s / 30_000.0) - 0.2, 0.0, 0.8)
        passing = 0.15 * np.maximum(smooth(self._seeds, 6, utc_s / 400.0), 0.0)
        clear = np.clip(1.0 - overcast - passing, 0.1, 1.0)
        return np.asarray(self._solar_peak_watts * np.maximum(elevation, 0.0) ** 1.1 * clear)

    def _demand_ratio(self, utc_s: Floats, local_s: Floats) -> Floats:
        """How much of its GPUs each workload asks for: (T, 3, N) in inference, gaming, streaming order."""
        hour = local_s % 86400.0 / 3600.0
        evening = np.cos(2 * np.pi * (hour - 20.5) / 24.0)
        lull = np.where(uniform(self._seeds, 80, utc_s // 5400) < 0.06, 0.6, 1.0)
        inference = (0.89 + 0.07 * np.cos(2 * np.pi * (hour - 14.0) / 24.0)) * lull
        inference = inference + 0.09 * smooth(self._seeds, 81, utc_s / 1500.0)
        gaming = 0.72 + 0.22 * evening + 0.10 * smooth(self._seeds, 82, utc_s / 2400.0)
        streaming = 0.68 + 0.26 * evening + 0.08 * smooth(self._seeds, 83, utc_s / 1800.0)
        return np.clip(np.stack((inference, gaming, streaming), axis=1), 0.04, 1.0)

    @staticmethod
    def _battery_wish_watts(local_s: Floats) -> Floats:
        """Charge off-peak (midnight to six), spare the grid at its peak (17 to 21), rest otherwise."""
        hour = local_s % 86400.0 / 3600.0
        return np.where(hour < 6.0, 3400.0, np.where((hour >= 17.0) & (hour < 21.0), -1500.0, 0.0))


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
