"""What the readings of one transport mean. Pure: samples and limits in, a verdict and a log out.

A sample is (at, temperature, door): seconds since 1970, °C, True while the door is open. Samples come oldest first.
"""

import math

MINUTE = 60

# What the cargo bears, in °C. Vaccines: WHO Technical Report Series 961, annex 9. Frozen food: Council Directive
# 89/108/EEC asks for -18 °C or colder.
RANGES = {"vaccines": (2.0, 8.0), "dairy": (0.0, 6.0), "frozen food": (-30.0, -18.0)}

# How far ahead the trend is followed, and from how much of the past it is read: more than one turn of a compressor.
AHEAD = 15 * MINUTE
TREND = 8 * MINUTE

# Activation energy over the gas constant, in kelvin: 83.144 kJ/mol over 8.3144 J/(mol K), as in USP <1079.2>.
ACTIVATION = 10_000.0

LEVELS = ("good", "watch", "warning", "alarm")


def limits_from(env):
    """The settings of the app as limits."""
    low, high = RANGES.get(env.get("CARGO", ""), RANGES["vaccines"])
    return {
        "low": low,
        "high": high,
        "excursionMinutes": number(env.get("EXCURSION_MINUTES"), 8),
        "doorMinutes": number(env.get("DOOR_MINUTES"), 4),
        "early": env.get("EARLY_WARNING", "true") == "true",
    }


def number(text, otherwise):
    try:
        value = float(text)
    except (TypeError, ValueError):
        return otherwise
    return value if math.isfinite(value) else otherwise


def is_out(temperature, limits):
    return temperature < limits["low"] or temperature > limits["high"]


def spells(samples, holds):
    """The times (from, to) during which `holds` is true of the samples; `to` is None for one that still goes on.

    Two with less than a minute between them are one: around a bound, noise goes to and fro.
    """
    found = []
    begun = None
    for sample in samples:
        if holds(sample):
            if begun is None:
                begun = found.pop()[0] if found and sample[0] - found[-1][1] < MINUTE else sample[0]
        elif begun is not None:
            found.append((begun, sample[0]))
            begun = None
    if begun is not None:
        found.append((begun, None))
    return found


def mean_kinetic_temperature(temperatures):
    """The constant temperature that would harm the cargo as much as what it went through: warm spells count for more."""
    kelvins = [temperature + 273.15 for temperature in temperatures]
    mean = sum(math.exp(-ACTIVATION / kelvin) for kelvin in kelvins) / len(kelvins)
    return ACTIVATION / -math.log(mean) - 273.15


def minutes_until_out(samples, limits):
    """When the present trend leads out of range; None when it does not, or not soon."""
    now, temperature, _ = samples[-1]
    recent = [sample for sample in samples if sample[0] >= now - TREND]
    if len(recent) < 4 or is_out(temperature, limits):
        return None
    # Least squares: one odd reading is no trend.
    mid = sum(at for at, _, _ in recent) / len(recent)
    mean = sum(value for _, value, _ in recent) / len(recent)
    spread = sum((at - mid) ** 2 for at, _, _ in recent)
    slope = sum((at - mid) * (value - mean) for at, value, _ in recent) / spread if spread else 0.0
    # What comes back to the middle of the range is mending, not leaving.
    if slope * (temperature - (limits["low"] + limits["high"]) / 2) <= 0:
        return None
    bound = limits["high"] if slope > 0 else limits["low"]
    seconds = (bound - temperature) / slope
    return seconds / MINUTE if 0 <= seconds <= AHEAD else None


def judge(samples, limits):
    """How a transport stands: level, sentence, and what stands behind it."""
    now, temperature, door = samples[-1]
    excursions = spells(samples, lambda sample: is_out(sample[1], limits))
    openings = spells(samples, lambda sample: sample[2])
    found = []
    if excursions and excursions[-1][1] is None:
        minutes = (now - excursions[-1][0]) / MINUTE
        level = "alarm" if minutes >= limits["excursionMinutes"] else "warning"
        side = "warm" if temperature > limits["high"] else "cold"
        found.append((level, f"Too {side} for {lasting(minutes)}"))
    if openings and openings[-1][1] is None:
        minutes = (now - openings[-1][0]) / MINUTE
        level = "warning" if minutes >= limits["doorMinutes"] else "watch"
        found.append((level, f"Door open for {lasting(minutes)}"))
    ahead = minutes_until_out(samples, limits) if limits["early"] else None
    if ahead is not None:
        found.append(("watch", f"Out of range in about {lasting(max(1, ahead))} if this goes on"))
    found.sort(key=lambda one: -LEVELS.index(one[0]))
    out = sum(((end or now) - begin) / MINUTE for begin, end in excursions)
    return {
        "level": found[0][0] if found else "good",
        "text": "; ".join(text for _, text in found) or "In range, door closed",
        "minutesOut": round(out, 1),
        "excursions": len(excursions),
        "openings": len(openings),
        "kinetic": round(mean_kinetic_temperature([value for _, value, _ in samples]), 2),
        "temperature": temperature,
        "door": door,
    }


def log(samples, limits):
    """What happened, for the report and the page: excursions and openings, oldest first."""
    entries = []
    for begin, end in spells(samples, lambda sample: is_out(sample[1], limits)):
        inside = [value for at, value, _ in samples if at >= begin and (end is None or at < end)]
        worst = max(inside, key=lambda value: max(value - limits["high"], limits["low"] - value))
        minutes = ((end or samples[-1][0]) - begin) / MINUTE
        level = "alarm" if minutes >= limits["excursionMinutes"] else "warning"
        entries.append({"at": begin, "end": end, "kind": "excursion", "level": level, "worst": worst})
    for begin, end in spells(samples, lambda sample: sample[2]):
        minutes = ((end or samples[-1][0]) - begin) / MINUTE
        level = "warning" if minutes >= limits["doorMinutes"] else "good"
        entries.append({"at": begin, "end": end, "kind": "door", "level": level})
    return sorted(entries, key=lambda entry: entry["at"])


def lasting(minutes):
    if minutes < 1:
        return "less than a minute"
    return "1 minute" if round(minutes) == 1 else f"{round(minutes)} minutes"
