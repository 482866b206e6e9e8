import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Ports for one platform under test. Suites run side by side, and each has its own. */
export interface Slot {
  /** Of the application manager; the eight after it are the other services'. */
  port: number;
  firstPort: number;
  /** `first-last`, as the command line wants it. */
  replicaPorts: string;
  release(): void;
}

const SLOTS = 16;

/** Takes the first free set of ports; those of a test process that died are free. */
export function takeSlot(): Slot {
  for (let n = 0; n < SLOTS; n += 1) {
    const file = join(tmpdir(), `avishkar-test-slot-${n}`);
    if (!claim(file)) continue;
    return {
      port: 10_000 + n * 10,
      firstPort: 11_000 + n * 300,
      replicaPorts: `${20_000 + n * 600}-${20_000 + n * 600 + 599}`,
      release: () => rmSync(file, { force: true }),
    };
  }
  throw new Error(`all ${SLOTS} sets of test ports are taken`);
}

function claim(file: string): boolean {
  for (let tries = 0; tries < 2; tries += 1) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (alive(file)) return false;
      rmSync(file, { force: true });
    }
  }
  return false;
}

function alive(file: string): boolean {
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0);
    return true;
  } catch {
    return false;
  }
}
