import { BUILDINGS } from './campus.js';
import { colour, layersFor } from './layers.js';
import { createMap } from './map.js';
import { read } from './readings.js';

/*
 * A campus as a living map. Static files alone: the platform serves them and tells the settings at /avishkar-config.json;
 * the readings are simulated in the browser, and the page says so.
 */

const DEFAULTS = { CAMPUS: 'Campus map', LAYER: 'temperature', WARM_FROM: 26, STUFFY_FROM: 1000, FAHRENHEIT: false };
const MINUTE = 60_000;
const DAY = 1440;
const LOOK_EVERY = 2000;
/** The whole day goes by in so many milliseconds when it is played. */
const PLAY = 16_000;

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat([], { weekday: 'short', hour: '2-digit', minute: '2-digit' });

const settings = { ...DEFAULTS, ...(await readSettings()) };
const layers = layersFor(settings);
let layer = layers.find(({ id }) => id === settings.LAYER) ?? layers[0];
let chosen = BUILDINGS.find((building) => problemsOf(read(building, Date.now())).length > 0)?.id ?? 'library';
/** Minutes before now; 0 is live. */
let back = 0;
let playing = null;

$('campus').textContent = settings.CAMPUS;
document.title = settings.CAMPUS;
$('zone').textContent = `Times in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;

const map = createMap($('map'), (id) => {
  chosen = id;
  show();
});

async function readSettings() {
  try {
    const answer = await fetch('/avishkar-config.json');
    return answer.ok ? await answer.json() : {};
  } catch (error) {
    console.warn('the settings could not be read', error);
    return {};
  }
}

/* ---- what the map shows ---- */

for (const each of layers) {
  const label = document.createElement('label');
  const input = Object.assign(document.createElement('input'), {
    type: 'radio',
    name: 'layer',
    checked: each === layer,
  });
  input.addEventListener('change', () => {
    layer = each;
    show();
  });
  label.append(input, each.name);
  $('layers').append(label);
}

function problemsOf(reading) {
  return layers.filter(({ id, limit }) => limit !== undefined && reading[id] > limit);
}

function show() {
  const at = Date.now() - back * MINUTE;
  const readings = new Map(BUILDINGS.map((building) => [building.id, read(building, at)]));
  const values = new Map(
    BUILDINGS.map(({ id, name }) => {
      const reading = readings.get(id);
      const problems = problemsOf(reading);
      const told = `${layer.text(reading[layer.id])} ${layer.unit}`;
      const words = problems.map(({ problem }) => problem).join(' and ');
      return [
        id,
        {
          colour: colour(layer, reading[layer.id]),
          short: layer.id === 'temperature' ? `${layer.text(reading.temperature)}°` : layer.text(reading[layer.id]),
          told: `${name}: ${told}${words ? `, ${words}` : ''}`,
          problem: problems.length > 0,
          bad: problems.includes(layer),
        },
      ];
    }),
  );
  map.show(values, chosen);
  legend();
  focus(readings.get(chosen), at);
  attention(readings);
  $('told').textContent = back === 0 ? `now, ${clock.format(at)}` : dayAndClock.format(at);
  $('when').setAttribute('aria-valuetext', $('told').textContent);
}

function legend() {
  const [from, strip, to] = $('legend').children;
  const stops = layer.ramp;
  const [low, high] = [stops[0][0], stops.at(-1)[0]];
  from.textContent = `${layer.text(low)}`;
  to.textContent = `${layer.text(high)} ${layer.unit}`;
  const marks = stops.map(([value, hue]) => `${hue} ${Math.round(((value - low) / (high - low)) * 100)}%`);
  strip.style.background = `linear-gradient(90deg, ${marks.join(', ')})`;
}

/* ---- one building ---- */

function focus(reading, at) {
  const building = BUILDINGS.find(({ id }) => id === chosen);
  const problems = problemsOf(reading);
  $('name').textContent = building.name;
  $('verdict').textContent =
    problems.length > 0 ? `Right now it is ${problems.map(({ problem }) => problem).join(' and ')}.` : 'All is well.';
  if (back > 0)
    $('verdict').textContent = $('verdict')
      .textContent.replace('Right now it is', 'It was')
      .replace('All is well', 'All was well');
  $('verdict').className = problems.length > 0 ? 'bad' : '';
  $('facts').replaceChildren(
    ...layers.map((each) => {
      const box = document.createElement('div');
      const term = document.createElement('dt');
      const value = document.createElement('dd');
      const unit = document.createElement('small');
      term.textContent = each.name;
      unit.textContent = each.id === 'people' ? `of ${building.seats}` : each.unit;
      value.append(each.text(reading[each.id]), unit);
      value.className = problems.includes(each) ? 'bad' : '';
      box.append(term, value);
      return box;
    }),
  );
  $('chart-name').textContent = `${layer.name}, the last day`;
  draw(building, at);
}

function draw(building, at) {
  const chart = $('chart');
  const { clientWidth: width, clientHeight: height } = chart;
  if (width === 0) return;
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  const now = Date.now();
  const series = Array.from({ length: 145 }, (_, n) => {
    const time = now - (DAY - n * 10) * MINUTE;
    return { time, value: read(building, time)[layer.id] };
  });
  const values = series.map(({ value }) => value);
  // A limit far off would press the curve flat; one within reach belongs in the picture.
  const reach = (Math.max(...values) - Math.min(...values)) * 0.6 + layer.least / 2;
  const near = layer.limit !== undefined && layer.limit - Math.max(...values) < reach;
  if (near) values.push(layer.limit);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const missing = Math.max(0, layer.least - (high - low)) / 2 + (high - low) * 0.08;
  low = Math.max(low - missing, layer.floor ?? Number.NEGATIVE_INFINITY);
  high += missing;
  const edge = { left: 2.7 * rem, right: 0.5 * rem, top: 0.5 * rem, bottom: 1.5 * rem };
  const x = (time) => edge.left + ((time - series[0].time) / (DAY * MINUTE)) * (width - edge.left - edge.right);
  const y = (value) => edge.top + ((high - value) / (high - low)) * (height - edge.top - edge.bottom);
  const base = height - edge.bottom;
  const parts = [];
  for (const part of [0, 0.5, 1]) {
    const value = low + (high - low) * part;
    parts.push(`<line class="grid" x1="${edge.left}" x2="${width - edge.right}" y1="${y(value)}" y2="${y(value)}"/>`);
    parts.push(
      `<text x="${edge.left - rem * 0.4}" y="${y(value)}" dy=".35em" text-anchor="end">${layer.text(value)}</text>`,
    );
  }
  const offset = new Date(now).getTimezoneOffset() * MINUTE;
  const every = 6 * 60 * MINUTE;
  for (let time = Math.ceil((series[0].time - offset) / every) * every + offset; time <= now; time += every) {
    if (x(time) < edge.left + rem * 1.5 || x(time) > width - rem * 2) continue;
    parts.push(`<text x="${x(time)}" y="${height - rem * 0.2}" text-anchor="middle">${clock.format(time)}</text>`);
  }
  const line = series.map(({ time, value }) => `${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join('L');
  parts.push(`<path class="area" d="M${x(series[0].time)} ${base}L${line}L${x(now)} ${base}Z"/>`);
  if (near) {
    parts.push(
      `<line class="limit" x1="${edge.left}" x2="${width - edge.right}" y1="${y(layer.limit)}" y2="${y(layer.limit)}"/>`,
    );
    parts.push(
      `<text class="limit-name" x="${edge.left + rem * 0.3}" y="${y(layer.limit) - rem * 0.3}">${layer.problem} from ${layer.text(layer.limit)}</text>`,
    );
  }
  parts.push(`<path class="curve" d="M${line}"/>`);
  const value = read(building, at)[layer.id];
  if (back > 0) parts.push(`<line class="marker" x1="${x(at)}" x2="${x(at)}" y1="${edge.top}" y2="${base}"/>`);
  parts.push(`<circle class="at" cx="${x(at)}" cy="${y(Math.min(high, Math.max(low, value)))}" r="${rem * 0.32}"/>`);
  chart.innerHTML = parts.join('');
  chart.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const [least, most] = [Math.min(...series.map((one) => one.value)), Math.max(...series.map((one) => one.value))];
  chart.setAttribute(
    'aria-label',
    `${layer.name} of ${building.name} over the last day: ${layer.text(least)} to ${layer.text(most)} ${layer.unit}`,
  );
}

/* ---- what needs attention ---- */

let spoken = '';

function attention(readings) {
  const found = BUILDINGS.flatMap(({ id, name }) =>
    problemsOf(readings.get(id)).map((each) => ({ id, name, each, value: readings.get(id)[each.id] })),
  );
  const key = found.map(({ id, each, value }) => `${id} ${each.id} ${each.text(value)}`).join();
  const list = $('problems');
  if (list.dataset.key !== key || !list.hasChildNodes()) {
    list.dataset.key = key;
    list.replaceChildren(...(found.length > 0 ? found.map(problemEntry) : [nothing()]));
  }
  const said = found.map(({ name, each }) => `${name} is ${each.problem}`).join(', ') || 'Nothing needs attention';
  if (back === 0 && said !== spoken) {
    spoken = said;
    $('spoken').textContent = said;
  }
}

function problemEntry({ id, name, each, value }) {
  const entry = document.createElement('li');
  const button = Object.assign(document.createElement('button'), { type: 'button' });
  const title = document.createElement('strong');
  const told = document.createElement('span');
  title.textContent = name;
  told.textContent = `${each.problem}, ${each.text(value)} ${each.unit}`;
  button.append(title, told);
  button.addEventListener('click', () => {
    chosen = id;
    layer = each;
    for (const [index, input] of [...$('layers').querySelectorAll('input')].entries())
      input.checked = layers[index] === each;
    show();
  });
  entry.append(button);
  return entry;
}

function nothing() {
  const entry = document.createElement('li');
  entry.className = 'none';
  entry.textContent = 'Nothing: every building is within its limits.';
  return entry;
}

/* ---- time ---- */

$('when').addEventListener('input', () => {
  stop();
  back = -Number($('when').value);
  show();
});

$('play').addEventListener('click', () => {
  if (playing !== null) return stop();
  const from = back > 10 ? back : DAY;
  const begun = performance.now();
  $('play').setAttribute('aria-pressed', 'true');
  $('play-text').textContent = 'Stop';
  const step = (time) => {
    back = Math.max(0, Math.round(from - ((time - begun) / PLAY) * DAY));
    $('when').value = String(-back);
    show();
    if (back === 0) stop();
    else playing = requestAnimationFrame(step);
  };
  playing = requestAnimationFrame(step);
});

function stop() {
  if (playing !== null) cancelAnimationFrame(playing);
  playing = null;
  $('play').setAttribute('aria-pressed', 'false');
  $('play-text').textContent = 'Play the day';
}

new ResizeObserver(show).observe($('chart'));
setInterval(() => {
  if (playing === null) show();
}, LOOK_EVERY);
show();
