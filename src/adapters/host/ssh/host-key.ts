import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { AvkError } from '../../../domain/errors.ts';
import { diskError } from '../write-file.ts';

/** The host keys that machines showed at first use, e.g. `ssh-ed25519 SHA256:…`. */
export interface HostKeyPins {
  /** Where a person can look at them and remove one. */
  readonly where: string;
  get(name: string): string | null;
  pin(name: string, fingerprint: string): void;
}

/** A host key by its fingerprint, as `ssh-keygen -l` shows it. */
export interface KnownHostKey {
  /** E.g. `ssh-ed25519`; null where only the fingerprint is known. */
  type: string | null;
  /** `SHA256:…` */
  fingerprint: string;
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

/** A key as it comes over the wire: its kind stands in it first, with its length in four bytes. */
export function describeHostKey(blob: Buffer): { type: string; fingerprint: string } {
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  const type = blob.subarray(4, 4 + length).toString('latin1');
  return { type, fingerprint: `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}` };
}

/**
 * Reads a host key as it is given in a configuration or pinned: `SHA256:…`, `ssh-ed25519 SHA256:…`, or the line of a
 * public key, `ssh-ed25519 AAAA… comment`. Null when it is none of them.
 */
export function parseHostKey(text: string): KnownHostKey | null {
  const [first = '', second = ''] = text.trim().split(/\s+/);
  const fingerprint = /^SHA256:[A-Za-z0-9+/]{43}$/;
  if (fingerprint.test(first)) return { type: null, fingerprint: first };
  if (!/^(ssh|ecdsa)-[a-z0-9-]+$/.test(first)) return null;
  if (fingerprint.test(second)) return { type: first, fingerprint: second };
  if (!/^AAAA[A-Za-z0-9+/]+=*$/.test(second)) return null;
  const key = describeHostKey(Buffer.from(second, 'base64'));
  return key.type === first ? key : null;
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
