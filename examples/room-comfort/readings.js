/**
 * Where the readings come from: the sensors that the platform bound to the slot `air`, or a simulated room when the
 * app is tried without any. The rest of the app does not see the difference.
 *
 * A source is { kind, read(at), past(from, to, step) }; a reading is { at, temperature, humidity, co2 }.
 */
export function createSource(env) {
  const { AVISHKAR_DATA_URL: url, AVISHKAR_DATA_TOKEN: token } = env;
  return url && token ? platformSource(url, token) : simulatedSource(env.ROOM ?? '');
}

const DEADLINE_MS = 2000;
const FIELDS = { Temperature: 'temperature', Humidity: 'humidity', CO2: 'co2' };

/** Asks the platform for the latest values. Where several sensors are bound, their mean counts. */
function platformSource(url, token) {
  return {
    kind: 'sensors',
    async read(at) {
      const answer = await fetch(`${url.replace(/\/$/, '')}/latest?slot=air`, {
        headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      if (!answer.ok) throw new Error(`the platform answered ${answer.status}`);
      const { readings } = await answer.json();
      const reading = { at };
      for (const [sensor, field] of Object.entries(FIELDS)) {
        const values = readings.filter((one) => one.sensor === sensor).map((one) => Number(one.value));
        if (values.length === 0) throw new Error(`there is no value of ${sensor} yet`);
        reading[field] = values.reduce((sum, value) => sum + value, 0) / values.length;
      }
      return reading;
    },
    // What was measured before this process started is not asked for: the charts fill up as it runs.
    past: () => [],
  };
}

const MINUTE = 60_000;
/** People come and go in the simulated room: in for a meeting, then out, with the window open. */
const CYCLE = 45 * MINUTE;
const MEETING = 28 * MINUTE;

/**
 * A room as a function of time alone, so that all replicas of the app see the same one and a new one knows the past.
 * Another name gives another room.
 */
function simulatedSource(room) {
  const seed = [...room].reduce((hash, char) => (hash * 31 + char.charCodeAt(0)) | 0, 7);

  /** Rises towards a peak of each meeting's own while it lasts, falls back to 0 after it; both exponentially. */
  function people(at, risingMs, fallingMs) {
    const start = at + noiseAt(seed, 1) * CYCLE;
    const current = Math.floor(start / CYCLE);
    let level = 0;
    // What happened four cycles ago has been forgotten.
    for (let cycle = current - 4; cycle <= current; cycle += 1) {
      const elapsed = cycle === current ? start - cycle * CYCLE : CYCLE;
      const peak = 0.55 + 0.45 * noiseAt(seed, cycle);
      level = peak + (level - peak) * Math.exp(-Math.min(elapsed, MEETING) / risingMs);
      level *= Math.exp(-Math.max(0, elapsed - MEETING) / fallingMs);
    }
    return level;
  }

  /** -1 to 1, changing smoothly over about `scale` milliseconds. */
  function drift(at, scale, channel) {
    const x = at / scale;
    const left = Math.floor(x);
    const part = x - left;
    const smooth = part * part * (3 - 2 * part);
    const a = noiseAt(seed + channel, left);
    const b = noiseAt(seed + channel, left + 1);
    return 2 * (a + (b - a) * smooth) - 1;
  }

  function read(at) {
    const heat = people(at, 22 * MINUTE, 12 * MINUTE);
    const breath = people(at, 13 * MINUTE, 6 * MINUTE);
    const temperature = 22.6 + 3.6 * heat + 0.5 * drift(at, 25 * MINUTE, 11) + 0.06 * drift(at, 20_000, 12);
    const humidity = 40 + 12 * breath + 4 * drift(at, 30 * MINUTE, 21) + 0.5 * drift(at, 40_000, 22);
    const co2 = 440 + 820 * breath + 25 * drift(at, 6 * MINUTE, 31) + 8 * drift(at, 15_000, 32);
    return { at, temperature: round(temperature, 2), humidity: round(humidity, 1), co2: Math.round(co2) };
  }

  return {
    kind: 'simulated',
    read: async (at) => read(at),
    past(from, to, step) {
      const readings = [];
      for (let at = from; at < to; at += step) readings.push(read(at));
      return readings;
    },
  };
}

/** 0 to 1, the same for the same two integers: the finaliser of MurmurHash3 over both. */
function noiseAt(seed, n) {
  let x = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(n | 0, 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}
