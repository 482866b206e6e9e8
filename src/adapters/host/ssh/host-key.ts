import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { AvkError } from '../../../domain/errors.ts';
import type { KnownHostKey } from '../../../domain/host-key.ts';
import { diskError } from '../write-file.ts';

/** The host keys that machines showed at first use, e.g. `ssh-ed25519 SHA256:…`. */
export interface HostKeyPins {
  /** Where a person can look at them and remove one. */
  readonly where: string;
  get(name: string): string | null;
  pin(name: string, fingerprint: string): void;
}

/** The kinds that a machine may show, the best first. */
const ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const;

/** What to ask a machine for: a machine has several keys, and shows the one whose kind is asked for first. */
export function hostKeyAlgorithms(known: KnownHostKey | null): (typeof ALGORITHMS)[number][] {
  const wanted = (each: string): boolean => each === known?.type || (known?.type === 'ssh-rsa' && /^rsa-/.test(each));
  return [...ALGORITHMS.filter(wanted), ...ALGORITHMS.filter((each) => !wanted(each))];
}

/**
 * Pins in a JSON file, `{"VM1": "ssh-ed25519 SHA256:…"}`. It is read at each use, so that an operator can take out a
 * machine that was set up anew while the platform runs.
 */
export function createHostKeyFile(path: string): HostKeyPins {
  const read = (): Record<string, string> => {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw error;
    }
    const pins = parseJson(text);
    const good =
      typeof pins === 'object' && pins !== null && Object.values(pins).every((value) => typeof value === 'string');
    if (!good) {
      throw new AvkError(
        'AVK_BAD_CONFIG',
        `${path} cannot be read: it has to be an object of machines’ names and the fingerprints of their host keys.`,
      );
    }
    return { ...pins };
  };
  return {
    where: path,
    get: (name) => {
      const pins = read();
      return Object.hasOwn(pins, name) ? (pins[name] ?? null) : null;
    },
    pin(name, fingerprint) {
      const text = `${JSON.stringify({ ...read(), [name]: fingerprint }, null, 2)}\n`;
      try {
        mkdirSync(dirname(path), { recursive: true });
        const temporary = `${path}.tmp`;
        const file = openSync(temporary, 'w', 0o600);
        try {
          writeSync(file, text);
          fsyncSync(file);
        } finally {
          closeSync(file);
        }
        renameSync(temporary, path);
      } catch (error) {
        throw diskError(error);
      }
    },
  };
}

/** Pins of a machine that is only looked at, until it is decided that it is taken in. */
export interface TrialPins extends HostKeyPins {
  /** Writes down what the machine has shown; from then on these are the pins of all. */
  keep(): void;
}

/**
 * Begins without a pin: what was kept under that name is of a machine that was let go of, or of another one. Nothing is
 * written down unless it is told to.
 */
export function createTrialPins(pins: HostKeyPins): TrialPins {
  const shown = new Map<string, string>();
  let kept = false;
  return {
    where: pins.where,
    get: (name) => (kept ? pins.get(name) : (shown.get(name) ?? null)),
    pin(name, fingerprint) {
      if (kept) pins.pin(name, fingerprint);
      else shown.set(name, fingerprint);
    },
    keep() {
      for (const [name, fingerprint] of shown) pins.pin(name, fingerprint);
      kept = true;
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
