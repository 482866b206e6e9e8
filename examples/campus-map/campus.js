/**
 * The campus: what stands where, in metres from its northern corner. A building is one or more blocks, each [x, y, width,
 * depth, height]; `use` says how it fills with people, `seats` how many of them it holds.
 */
export const SIZE = { width: 104, depth: 84 };

export const BUILDINGS = [
  {
    id: 'library',
    name: 'Library',
    use: 'study',
    seats: 420,
    blocks: [
      [8, 7, 14, 15, 24],
      [22, 9, 11, 13, 13],
    ],
  },
  { id: 'hall', name: 'Lecture hall', use: 'lectures', seats: 650, blocks: [[43, 7, 20, 16, 12]] },
  {
    id: 'labs',
    name: 'Laboratories',
    use: 'work',
    seats: 180,
    blocks: [
      [73, 7, 24, 11, 18],
      [85, 18, 12, 13, 13],
    ],
  },
  {
    id: 'homes',
    name: 'Student homes',
    use: 'living',
    seats: 300,
    blocks: [
      [7, 36, 8, 22, 17],
      [20, 36, 8, 22, 20],
    ],
  },
  { id: 'canteen', name: 'Canteen', use: 'meals', seats: 380, blocks: [[43, 36, 18, 12, 8]] },
  { id: 'sports', name: 'Sports hall', use: 'sports', seats: 120, blocks: [[73, 40, 23, 17, 11]] },
  {
    id: 'greenhouse',
    name: 'Greenhouse',
    use: 'plants',
    seats: 20,
    blocks: [
      [43, 58, 10, 14, 7],
      [54, 58, 7, 14, 6],
    ],
  },
  { id: 'data', name: 'Data centre', use: 'machines', seats: 8, blocks: [[75, 66, 17, 11, 8]] },
];

/** Strips of the ground: [x, y, width, depth]. */
export const PATHS = [
  [35.5, 2, 4, 80],
  [66, 2, 4, 80],
  [2, 28, 100, 4],
  [35.5, 51.5, 34.5, 3],
  [2, 61.5, 34, 3],
];

export const POND = { x: 18, y: 73, width: 22, depth: 12 };

/** Trees stand where nothing else does, always the same ones. */
export const TREES = plant();

function plant() {
  const trees = [];
  let seed = 7;
  const chance = () => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  for (let tries = 0; tries < 420 && trees.length < 62; tries += 1) {
    const tree = { x: 3 + chance() * (SIZE.width - 6), y: 3 + chance() * (SIZE.depth - 6), size: 1.5 + chance() * 1.1 };
    const near = (x, y, width, depth, margin) =>
      tree.x > x - margin && tree.x < x + width + margin && tree.y > y - margin && tree.y < y + depth + margin;
    const built = BUILDINGS.some(({ blocks }) => blocks.some(([x, y, width, depth]) => near(x, y, width, depth, 2.6)));
    const paved = PATHS.some(([x, y, width, depth]) => near(x, y, width, depth, 1.6));
    const wet = ((tree.x - POND.x) / (POND.width / 2 + 2)) ** 2 + ((tree.y - POND.y) / (POND.depth / 2 + 2)) ** 2 < 1;
    const crowded = trees.some((other) => Math.hypot(other.x - tree.x, other.y - tree.y) < 3.2);
    if (!built && !paved && !wet && !crowded) trees.push(tree);
  }
  return trees;
}
