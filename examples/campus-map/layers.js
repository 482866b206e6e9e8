/** What the map can show. A ramp is a list of [value, colour]; between two, the colours mix. */
export function layersFor({ WARM_FROM: warm, STUFFY_FROM: stuffy, FAHRENHEIT: fahrenheit }) {
  const degrees = (value) => (fahrenheit ? value * 1.8 + 32 : value);
  const number = (digits) => {
    const format = new Intl.NumberFormat([], { minimumFractionDigits: digits, maximumFractionDigits: digits });
    return (value) => format.format(value);
  };
  const [whole, tenths] = [number(0), number(1)];
  return [
    {
      id: 'temperature',
      name: 'Temperature',
      unit: fahrenheit ? '°F' : '°C',
      text: (value) => tenths(degrees(value)),
      limit: warm,
      problem: 'too warm',
      least: 5,
      ramp: [
        [warm - 10, '#3f7fd0'],
        [warm - 6, '#3fa7a0'],
        [warm - 3.5, '#67b26b'],
        [warm - 1, '#dcb447'],
        [warm, '#e2893c'],
        [warm + 4, '#c43c39'],
      ],
    },
    {
      id: 'air',
      name: 'Air',
      unit: 'ppm CO₂',
      text: whole,
      limit: stuffy,
      problem: 'stuffy',
      least: 400,
      ramp: [
        [400, '#4aa3c9'],
        [stuffy * 0.65, '#5fb18a'],
        [stuffy * 0.85, '#cdb54c'],
        [stuffy, '#dd8a3e'],
        [stuffy * 1.5, '#a8456d'],
      ],
    },
    {
      id: 'people',
      name: 'People',
      unit: 'people',
      text: whole,
      least: 20,
      floor: 0,
      ramp: [
        [0, '#8a9bb0'],
        [60, '#6f92c9'],
        [200, '#7a74cf'],
        [420, '#a45bc2'],
        [620, '#cf4f9a'],
      ],
    },
    {
      id: 'power',
      name: 'Power',
      unit: 'kW',
      text: whole,
      least: 20,
      floor: 0,
      ramp: [
        [0, '#6d8fa3'],
        [40, '#4f9fa6'],
        [90, '#8fae55'],
        [160, '#d9a441'],
        [240, '#d2693c'],
      ],
    },
  ];
}

export function colour({ ramp }, value) {
  const above = ramp.findIndex(([stop]) => stop >= value);
  if (above === 0) return ramp[0][1];
  if (above < 0) return ramp.at(-1)[1];
  const [low, from] = ramp[above - 1];
  const [high, to] = ramp[above];
  const part = (value - low) / (high - low);
  const channel = (at) => Math.round(hex(from, at) + (hex(to, at) - hex(from, at)) * part);
  return `rgb(${channel(1)} ${channel(3)} ${channel(5)})`;
}

function hex(text, at) {
  return Number.parseInt(text.slice(at, at + 2), 16);
}
