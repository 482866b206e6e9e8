import { createCipheriv, createDecipheriv } from 'node:crypto';
import { AvkError } from '../domain/errors.ts';
import type { Random } from '../ports/random.ts';

/** Seals secrets for storage: AES-256-GCM, the key's id in front so that keys can be changed. */
export interface SecretBox {
  /** `avk1.<key id>.<base64url of nonce, tag and text>`. */
  seal(secret: string): string;
  /** @throws AvkError AVK_INTERNAL when the key is unknown or the text was tampered with */
  open(sealed: string): string;
}

const NONCE = 12;
const TAG = 16;

/** @param keys 32 bytes each, by id; the first one seals */
export function createSecretBox(keys: ReadonlyMap<string, Uint8Array>, random: Random): SecretBox {
  const [first] = keys;
  if (!first) throw new AvkError('AVK_INTERNAL', 'no key to seal secrets with');
  const [sealingId, sealingKey] = first;
  return {
    seal(secret) {
      const nonce = random.bytes(NONCE);
      const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce);
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return `avk1.${sealingId}.${Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url')}`;
    },
    open(sealed) {
      const [form, id, body] = sealed.split('.');
      const key = keys.get(id ?? '');
      if (form !== 'avk1' || !key || !body) {
        throw new AvkError('AVK_INTERNAL', `a secret was sealed with key ${id ?? '?'}, which is not here`);
      }
      const bytes = Buffer.from(body, 'base64url');
      try {
        // With the tag's length given, one that was cut short is not taken.
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE), { authTagLength: TAG });
        decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
        return Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]).toString('utf8');
      } catch (cause) {
        throw new AvkError('AVK_INTERNAL', 'a sealed secret was damaged', { cause });
      }
    },
  };
}
