/**
 * Simulated readings: each building as a function of time alone, so that everybody sees the same campus, and its past is
 * known. Pure: a building and a time in, a reading { temperature, air, people, power } out.
 */

const HOUR = 3_600_000;
/** Room in minutes for what people breathe out to be carried off, and for their warmth to be felt. */
const STEP = HOUR / 4;

/** Share of the seats taken through a working day and a day off, hour by hour from midnight; in between, a line. */
const DAYS = {
  study: [
    [3, 2, 1, 1, 1, 2, 5, 12, 30, 48, 60, 66, 58, 64, 74, 80, 82, 76, 70, 66, 58, 44, 26, 10],
    [2, 1, 1, 1, 1, 1, 2, 4, 10, 20, 32, 40, 44, 50, 56, 58, 54, 46, 38, 32, 24, 16, 8, 4],
  ],
  lectures: [
    [0, 0, 0, 0, 0, 0, 1, 12, 78, 88, 94, 70, 24, 66, 90, 84, 62, 40, 28, 12, 3, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 6, 6, 4, 4, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0],
  ],
  work: [
    [2, 1, 1, 1, 1, 2, 8, 34, 66, 78, 82, 80, 52, 70, 80, 78, 70, 48, 28, 16, 10, 6, 4, 3],
    [1, 1, 1, 1, 1, 1, 1, 2, 6, 10, 12, 12, 10, 12, 12, 10, 8, 6, 4, 3, 2, 2, 1, 1],
  ],
  living: [
    [94, 96, 97, 97, 96, 94, 86, 66, 40, 28, 22, 20, 26, 24, 20, 22, 30, 42, 54, 60, 66, 74, 82, 90],
    [84, 88, 92, 94, 94, 94, 92, 88, 80, 68, 58, 50, 46, 44, 42, 44, 48, 54, 58, 56, 54, 58, 66, 76],
  ],
  meals: [
    [0, 0, 0, 0, 0, 1, 6, 26, 30, 16, 14, 46, 96, 84, 34, 18, 16, 28, 54, 42, 16, 4, 1, 0],
    [0, 0, 0, 0, 0, 0, 1, 4, 12, 20, 22, 30, 44, 38, 18, 8, 6, 12, 20, 14, 5, 1, 0, 0],
  ],
  sports: [
    [0, 0, 0, 0, 0, 2, 16, 24, 20, 18, 16, 20, 30, 22, 20, 26, 44, 70, 88, 92, 80, 48, 12, 1],
    [0, 0, 0, 0, 0, 0, 4, 12, 30, 46, 54, 50, 38, 36, 42, 46, 40, 32, 26, 18, 10, 4, 1, 0],
  ],
  plants: [
    [0, 0, 0, 0, 0, 0, 5, 20, 40, 45, 40, 35, 15, 30, 40, 35, 20, 10, 5, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 5, 15, 15, 10, 10, 5, 5, 10, 5, 0, 0, 0, 0, 0, 0, 0, 0],
  ],
  machines: [
    [12, 12, 12, 12, 12, 12, 12, 25, 40, 50, 50, 45, 30, 45, 50, 45, 40, 30, 20, 12, 12, 12, 12, 12],
    [12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12],
  ],
};

/** What each use does to a building: its own warmth, how much sun comes in, air per person, and what it burns in kW. */
const NATURE = {
  study: { base: 21.6, crowd: 3.2, sun: 1.4, breath: 720, idle: 24, each: 0.11 },
  lectures: { base: 20.8, crowd: 5.4, sun: 0.4, breath: 980, idle: 18, each: 0.09 },
  work: { base: 20.9, crowd: 2.4, sun: 1.0, breath: 330, idle: 62, each: 0.62 },
  living: { base: 21.2, crowd: 1.8, sun: 1.2, breath: 560, idle: 14, each: 0.17 },
  meals: { base: 20.6, crowd: 4.8, sun: 0.8, breath: 640, idle: 20, each: 0.33 },
  sports: { base: 18.4, crowd: 3.0, sun: 0.8, breath: 620, idle: 22, each: 0.2 },
  plants: { base: 22.6, crowd: 0.4, sun: 7.2, breath: -60, idle: 9, each: 0.1 },
  machines: { base: 23.2, crowd: 0.5, sun: 0.3, breath: 40, idle: 212, each: 0.6 },
};

export function read(building, at) {
  const nature = NATURE[building.use];
  const seed = hash(building.id);
  const share = crowd(building, at);
  // The air and the warmth of a building follow the people in it, with some delay.
  let lagged = 0;
  let weight = 0;
  for (let back = 0; back < 8; back += 1) {
    lagged += crowd(building, at - back * STEP) * 0.72 ** back;
    weight += 0.72 ** back;
  }
  lagged /= weight;
  const temperature =
    nature.base +
    nature.crowd * lagged +
    nature.sun * sun(at) +
    0.5 * drift(seed, at, HOUR) +
    0.07 * drift(seed + 1, at, 40_000);
  const air = 430 + nature.breath * lagged + 16 * drift(seed + 2, at, HOUR / 3) + 6 * drift(seed + 3, at, 30_000);
  const people = Math.round(building.seats * share);
  const power =
    nature.idle * (1 + 0.04 * drift(seed + 4, at, HOUR / 2)) +
    nature.each * people +
    (nature.sun > 5 ? 26 * (1 - sun(at)) : 0);
  return { temperature, air: Math.max(400, air), people, power };
}

/** 0 to 1. */
function crowd({ use, id }, at) {
  const time = new Date(at);
  const off = time.getDay() === 0 || time.getDay() === 6;
  const hours = DAYS[use][off ? 1 : 0];
  const hour = time.getHours() + time.getMinutes() / 60 + time.getSeconds() / 3600;
  const from = Math.floor(hour);
  const level = hours[from] + (hours[(from + 1) % 24] - hours[from]) * (hour - from);
  return Math.max(0, Math.min(1, (level / 100) * (1 + 0.12 * drift(hash(id) + 9, at, HOUR / 2))));
}

/** Height of the sun as far as it warms: 0 at night, 1 at noon. */
export function sun(at) {
  const time = new Date(at);
  const hour = time.getHours() + time.getMinutes() / 60;
  return Math.max(0, Math.sin(((hour - 6.2) / 12.6) * Math.PI)) ** 0.8 * (hour > 6.2 && hour < 18.8 ? 1 : 0);
}

/** -1 to 1, changing smoothly over about `scale` milliseconds. */
function drift(seed, at, scale) {
  const x = at / scale;
  const left = Math.floor(x);
  const part = x - left;
  const smooth = part * part * (3 - 2 * part);
  const a = noise(seed, left);
  return 2 * (a + (noise(seed, left + 1) - a) * smooth) - 1;
}

/** 0 to 1, the same for the same two integers: the finaliser of MurmurHash3 over both. */
function noise(seed, n) {
  let x = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(n | 0, 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

function hash(text) {
  return [...text].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) | 0, 7);
}
