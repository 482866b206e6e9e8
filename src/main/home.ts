import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { accessSync, chmodSync, constants, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { JWK } from 'jose';
import { AvkError, messageOf } from '../domain/errors.ts';

/** The platform's folder, held by this process. */
export interface Home {
  path(...parts: string[]): string;
  /** Ed25519, for signing tokens. */
  tokenKey: JWK;
  /** AES-256 keys by id, for sealing secrets; the first one seals. */
  secretKeys: Map<string, Uint8Array>;
  release(): void;
}

/**
 * Takes the folder for this process, making it and its keys when they are missing. The hold is a lock of SQLite's on
 * a file in it: the kernel lets go of it when the process dies, however it dies.
 *
 * @throws AvkError AVK_HOME_LOCKED, AVK_HOME_UNUSABLE
 */
export function takeHome(directory: string): Home {
  const path = (...parts: string[]): string => join(directory, ...parts);
  try {
    mkdirSync(path('keys'), { recursive: true, mode: 0o700 });
    chmodSync(path('keys'), 0o700);
    accessSync(directory, constants.W_OK);
  } catch (cause) {
    throw new AvkError(
      'AVK_HOME_UNUSABLE',
      `the home folder ${directory} cannot be written (${messageOf(cause)}); choose another with --home`,
      { cause },
    );
  }
  const lock = takeLock(path('lock.db'), directory);
  try {
    return {
      path,
      tokenKey: tokenKey(path('keys', 'token.jwk')),
      secretKeys: new Map([secretKey(path('keys', 'secrets.key'))]),
      release: () => lock.close(),
    };
  } catch (cause) {
    lock.close();
    throw new AvkError('AVK_HOME_UNUSABLE', `the keys in ${path('keys')} cannot be used: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function takeLock(file: string, directory: string): DatabaseSync {
  let lock: DatabaseSync | null = null;
  try {
    lock = new DatabaseSync(file, { timeout: 0 });
    lock.exec('PRAGMA locking_mode = EXCLUSIVE');
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (cause) {
    lock?.close();
    if (messageOf(cause).includes('locked')) {
      throw new AvkError(
        'AVK_HOME_LOCKED',
        `another Avishkar runs on ${directory}; stop it first, or choose another folder with --home`,
        { cause },
      );
    }
    throw new AvkError('AVK_HOME_UNUSABLE', `the home folder ${directory} cannot be used: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function tokenKey(file: string): JWK {
  return JSON.parse(
    readOrMake(file, () => JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }))),
  ) as JWK;
}

function secretKey(file: string): [string, Uint8Array] {
  const text = readOrMake(file, () => `${randomBytes(4).toString('hex')} ${randomBytes(32).toString('base64url')}`);
  const [id = '', key = ''] = text.trim().split(' ');
  const bytes = Buffer.from(key, 'base64url');
  if (bytes.length !== 32) throw new Error(`${file} holds no key`);
  return [id, bytes];
}

/** Reads a secret file, or makes it whole: a crash never leaves half a key. */
function readOrMake(file: string, make: () => string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const text = make();
  writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
  return text;
}
