import { createHash } from 'node:crypto';

/** A host key by its fingerprint, as `ssh-keygen -l` shows it. */
export interface KnownHostKey {
  /** E.g. `ssh-ed25519`; null where only the fingerprint is known. */
  type: string | null;
  /** `SHA256:…` */
  fingerprint: string;
}

/** A key as it comes over the wire: its kind stands in it first, with its length in four bytes. */
export function describeHostKey(blob: Buffer): { type: string; fingerprint: string } {
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  const type = blob.subarray(4, 4 + length).toString('latin1');
  return { type, fingerprint: `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}` };
}

const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;
const TYPE = /^(ssh|ecdsa)-[a-z0-9-]+$/;

/**
 * Reads a host key as it is given in a configuration or pinned: `SHA256:…`, `ssh-ed25519 SHA256:…`, or the line of a
 * public key, `ssh-ed25519 AAAA… comment`; also the lines that `ssh-keygen -l` and `ssh-keyscan` print, which have the
 * key's length or the machine before it. Null when it is none of them.
 */
export function parseHostKey(text: string): KnownHostKey | null {
  const words = text.trim().split(/\s+/);
  if (/^\d+$/.test(words[0] ?? '') ? FINGERPRINT.test(words[1] ?? '') : TYPE.test(words[1] ?? '')) words.shift();
  const [first = '', second = ''] = words;
  if (FINGERPRINT.test(first)) return { type: null, fingerprint: first };
  if (!TYPE.test(first)) return null;
  if (FINGERPRINT.test(second)) return { type: first, fingerprint: second };
  if (!/^AAAA[A-Za-z0-9+/]+=*$/.test(second)) return null;
  const key = describeHostKey(Buffer.from(second, 'base64'));
  return key.type === first ? key : null;
}
