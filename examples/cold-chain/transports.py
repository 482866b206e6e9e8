"""Where the readings come from: the sensors that the platform bound to the slot `cargo`, or simulated transports when
the app is tried without any. A source has `kind`, `past()` and `read(at)`; both give readings by transport:
{id: {"name", "route", "progress", "samples": [(at, temperature, door)]}}, `read` with one sample each.
"""

import json
import math
import urllib.request
import zlib

MINUTE = 60
STEP = 10
"""Seconds between two samples, on the clock's tens, so that all replicas of the app have the same ones."""
WINDOW = 3 * 3600
"""So much of the past is kept."""
WARM_UP = 2 * 3600
"""So long before it the simulation begins; what it began with is forgotten by then."""

DEADLINE = 2
ROUTES = [
    ("Ostrava", "Brno"), ("Tartu", "Riga"), ("Umeå", "Luleå"), ("Graz", "Linz"), ("Porto", "Vigo"), ("Lyon", "Turin"),
    ("Bergen", "Oslo"), ("Gdańsk", "Poznań"), ("Cork", "Galway"), ("Kassel", "Erfurt"), ("Vaasa", "Oulu"), ("Split", "Zadar"),
]


def create_source(env, transports, limits):
    url, token = env.get("AVISHKAR_DATA_URL"), env.get("AVISHKAR_DATA_TOKEN")
    return PlatformSource(url, token) if url and token else SimulatedSource(transports, limits)


class PlatformSource:
    """Asks the platform for the latest values. What was measured before this process began is not asked for."""

    kind = "sensors"

    def __init__(self, url, token):
        self.request = urllib.request.Request(
            f"{url.rstrip('/')}/latest?slot=cargo",
            headers={"authorization": f"Bearer {token}", "accept": "application/json"},
        )

    def past(self, _until):
        return {}

    def read(self, at):
        with urllib.request.urlopen(self.request, timeout=DEADLINE) as answer:
            readings = json.load(answer)["readings"]
        found = {}
        for one in readings:
            name = str(one.get("node") or one.get("source") or "cargo")
            found.setdefault(name, {})[one["sensor"]] = float(one["value"])
        return {
            name: {"name": name, "route": None, "progress": None, "samples": [(at, round(values["Temperature"], 2), values.get("Door", 0) > 0)]}
            for name, values in found.items()
            if "Temperature" in values
        }


class SimulatedSource:
    """Transports as functions of time alone: all replicas see the same ones, and a new replica knows the past."""

    kind = "simulated"

    def __init__(self, count, limits):
        self.limits = limits
        self.transports = [Transport(index, limits) for index in range(max(1, min(12, int(count))))]

    def past(self, until):
        begin = tens(until) - WINDOW
        found = {}
        for transport in self.transports:
            transport.begin(begin - WARM_UP)
            samples = [transport.step() for _ in range(int((tens(until) - begin + WARM_UP) / STEP))]
            found[transport.id] = transport.told(samples[-int(WINDOW / STEP):])
        return found

    def read(self, at):
        found = {}
        for transport in self.transports:
            sample = None
            while transport.at < tens(at):
                sample = transport.step()
            if sample:
                found[transport.id] = transport.told([sample])
        return found


class Transport:
    """A box that is cooled, in warmer air, with a door, and now and then a compressor that gives up for a while."""

    def __init__(self, index, limits):
        self.id = f"T{index + 1:02d}"
        self.seed = zlib.crc32(self.id.encode())
        self.route = ROUTES[index % len(ROUTES)]
        middle = (limits["low"] + limits["high"]) / 2
        half = (limits["high"] - limits["low"]) / 2
        self.target = middle + half * 0.35 * (2 * self.noise(0) - 1)
        self.trip = (70 + 80 * self.noise(1)) * MINUTE
        self.at = 0
        self.temperature = self.target

    def begin(self, at):
        self.at, self.temperature = at, self.target

    def step(self):
        self.at += STEP
        at = self.at
        outside = 17 + 5 * math.sin(2 * math.pi * (at % 86_400) / 86_400 - 2) + 3 * self.noise(2)
        door = self.door_open(at)
        # Rates per second: towards the target while it is cooled, towards the air outside through walls and door.
        cooling = 1 / (9 * MINUTE) * (0.05 if self.failing(at) else 1)
        warming = 1 / (150 * MINUTE) + (1 / (32 * MINUTE) if door else 0)
        # What the walls let in all the time is made up for.
        target = self.target - (outside - self.target) * 9 / 150
        self.temperature += STEP * (cooling * (target - self.temperature) + warming * (outside - self.temperature))
        ripple = 0.22 * math.sin(2 * math.pi * at / (7 * MINUTE) + self.seed % 7) + 0.08 * (2 * self.noise(at // STEP) - 1)
        return (at, round(self.temperature + ripple, 2), door)

    def door_open(self, at):
        """A stop in each 35 minutes, mostly short; every sixth or so somebody forgets the door."""
        slot, within = divmod(at + self.seed % 2100, 2100)
        luck = self.noise(slot * 3 + 11)
        lasting = (90 + 120 * luck) if luck < 0.84 else (6 + 26 * (luck - 0.84)) * MINUTE
        begin = 300 + 900 * self.noise(slot * 3 + 12)
        return begin <= within < begin + lasting

    def failing(self, at):
        """The compressor, in one of five stretches of 100 minutes."""
        slot, within = divmod(at + self.seed % 5501, 6000)
        begin = 600 + 1500 * self.noise(slot * 5 + 3)
        return self.noise(slot * 5 + 2) < 0.2 and begin <= within < begin + (14 + 16 * self.noise(slot * 5 + 4)) * MINUTE

    def told(self, samples):
        progress = ((self.at + self.seed) % self.trip) / self.trip
        forth = int((self.at + self.seed) / self.trip) % 2 == 0
        route = self.route if forth else self.route[::-1]
        return {"name": f"Transport {self.id[1:].lstrip('0')}", "route": list(route), "progress": round(progress, 3), "samples": samples}

    def noise(self, n):
        """0 to 1, always the same for the same number."""
        return zlib.crc32(f"{self.seed}/{int(n)}".encode()) / 2**32


def tens(at):
    return int(at // STEP * STEP)
