import { BUILDINGS, PATHS, POND, SIZE, TREES } from './campus.js';

const SVG = 'http://www.w3.org/2000/svg';
/** Room above the ground for the highest roof and its label. */
const MARGIN = { top: 22, side: 3, bottom: 6 };
const FLOOR = 4;

/** Isometric: east goes down to the right, south down to the left, up goes up. */
function project(x, y, z = 0) {
  return [(x - y) * 0.866, (x + y) * 0.5 - z];
}

const points = (corners) =>
  corners
    .map((corner) =>
      project(...corner)
        .map((each) => each.toFixed(2))
        .join(','),
    )
    .join(' ');

function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** Draws the campus. `onChoose` is told which building was pointed at; the answer says how to show values on it. */
export function createMap(place, onChoose) {
  const svg = element('svg', {});
  place.append(svg);
  const left = -SIZE.depth * 0.866 - MARGIN.side;
  const width = (SIZE.width + SIZE.depth) * 0.866 + 2 * MARGIN.side;
  const height = (SIZE.width + SIZE.depth) * 0.5 + MARGIN.top + MARGIN.bottom;
  svg.setAttribute('viewBox', `${left} ${-MARGIN.top} ${width} ${height}`);

  const flat = (x, y, wide, deep, name, z = 0) =>
    element('polygon', {
      class: name,
      points: points([
        [x, y, z],
        [x + wide, y, z],
        [x + wide, y + deep, z],
        [x, y + deep, z],
      ]),
    });
  svg.append(
    element('polygon', {
      class: 'edge',
      points: points([
        [0, SIZE.depth],
        [SIZE.width, SIZE.depth],
        [SIZE.width, 0],
        [SIZE.width, 0, -2.4],
        [SIZE.width, SIZE.depth, -2.4],
        [0, SIZE.depth, -2.4],
      ]),
    }),
    flat(0, 0, SIZE.width, SIZE.depth, 'ground'),
    ...PATHS.map(([x, y, wide, deep]) => flat(x, y, wide, deep, 'path')),
  );
  const [pondX, pondY] = project(POND.x, POND.y);
  svg.append(element('ellipse', { class: 'pond', cx: pondX, cy: pondY, rx: POND.width * 0.52, ry: POND.depth * 0.48 }));

  const buildings = new Map(BUILDINGS.map((building) => [building.id, createBuilding(building, onChoose)]));
  const standing = [
    ...TREES.map((tree) => ({ near: tree.x + tree.y, drawn: createTree(tree) })),
    ...BUILDINGS.map((building) => ({ near: middle(building), drawn: buildings.get(building.id).drawn })),
  ];
  standing.sort((a, b) => a.near - b.near);
  svg.append(...standing.map(({ drawn }) => drawn));
  // Above all that stands, so that no tree hides what it says.
  const labels = element('g', { 'aria-hidden': 'true' }, ...[...buildings.values()].map(({ label }) => label));
  svg.append(labels);

  new ResizeObserver(() => {
    // Text keeps its size on the screen, however large the map is.
    const scale = Math.max(width / Math.max(1, svg.clientWidth), height / Math.max(1, svg.clientHeight));
    svg.style.setProperty('--px', String(scale));
    svg.classList.toggle('small', svg.clientWidth < 560);
  }).observe(svg);

  return {
    /** @param values Map of building to { colour, short, told, problem, bad }; `problem` in any layer, `bad` in the one shown */
    show(values, chosen) {
      for (const [id, { drawn, label, value, badge }] of buildings) {
        const { colour, short, told, problem, bad } = values.get(id);
        drawn.style.setProperty('--c', colour);
        drawn.setAttribute('aria-label', told);
        drawn.setAttribute('aria-pressed', String(id === chosen));
        drawn.classList.toggle('chosen', id === chosen);
        label.classList.toggle('chosen', id === chosen);
        value.textContent = short;
        badge.toggleAttribute('hidden', !problem);
        label.classList.toggle('bad', bad);
      }
    },
  };
}

function middle({ blocks }) {
  return Math.max(...blocks.map(([x, y, wide, deep]) => x + wide / 2 + y + deep / 2));
}

function createBuilding({ id, name, blocks }, onChoose) {
  const faces = [...blocks].sort((a, b) => a[0] + a[1] - (b[0] + b[1])).flatMap(blockFaces);
  const drawn = element('g', { class: 'building', tabindex: 0, role: 'button', 'data-id': id }, ...faces);
  drawn.addEventListener('click', () => onChoose(id));
  drawn.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    onChoose(id);
  });
  const [x, y, wide, deep, high] = blocks.reduce((highest, block) => (block[4] > highest[4] ? block : highest));
  const [atX, atY] = project(x + wide / 2, y + deep / 2, high);
  const title = element('text', { class: 'title', y: '-1.5em' });
  title.textContent = name;
  const value = element('text', { class: 'value' });
  const badge = element('circle', { class: 'badge', hidden: '' });
  const label = element(
    'g',
    { class: 'label', transform: `translate(${atX.toFixed(2)} ${(atY - 2.5).toFixed(2)})` },
    title,
    value,
    badge,
  );
  return { drawn, label, value, badge };
}

function blockFaces([x, y, wide, deep, high]) {
  const [east, south] = [x + wide, y + deep];
  const floors = [];
  for (let z = FLOOR; z < high - 1; z += FLOOR) {
    floors.push(
      element('polyline', {
        class: 'floor',
        points: points([
          [x, south, z],
          [east, south, z],
          [east, y, z],
        ]),
      }),
    );
  }
  return [
    element('polygon', {
      class: 'shadow',
      points: points([
        [x, south],
        [east, south],
        [east, y],
        [east + 3, y + 3],
        [east + 3, south + 3],
        [x + 3, south + 3],
      ]),
    }),
    element('polygon', {
      class: 'south',
      points: points([
        [x, south],
        [east, south],
        [east, south, high],
        [x, south, high],
      ]),
    }),
    element('polygon', {
      class: 'east',
      points: points([
        [east, south],
        [east, y],
        [east, y, high],
        [east, south, high],
      ]),
    }),
    element('polygon', {
      class: 'roof',
      points: points([
        [x, y, high],
        [east, y, high],
        [east, south, high],
        [x, south, high],
      ]),
    }),
    ...floors,
  ];
}

function createTree({ x, y, size }) {
  const [atX, atY] = project(x, y);
  return element(
    'g',
    { class: 'tree' },
    element('ellipse', { class: 'shade', cx: atX + 0.8, cy: atY + 0.3, rx: size * 1.1, ry: size * 0.5 }),
    element('ellipse', { class: 'leaves', cx: atX, cy: atY - size * 1.25, rx: size, ry: size * 1.3 }),
    element('ellipse', { class: 'light', cx: atX - size * 0.28, cy: atY - size * 1.6, rx: size * 0.5, ry: size * 0.7 }),
  );
}
