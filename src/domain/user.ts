import { z } from 'zod';

/** Names of users: unique without regard to case, harmless in addresses, logs and messages. */
export const usernameSchema = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9._-]{0,62}$/, 'expected a letter, then letters, digits, . _ -')
  .meta({ example: 'alice' });

/** NIST SP 800-63B: length is what counts; no rules about kinds of characters. */
export const passwordSchema = z
  .string()
  .min(8, 'expected 8 characters at least')
  .max(1000, 'expected 1000 characters at most')
  .meta({ example: 'correct horse battery staple' });

/** What is wrong with a password for this user beyond its length, or null. Never repeats it. */
export function passwordFault(password: string, username: string): string | null {
  if (password.trim() === '') return 'expected more than spaces';
  if (password.trim().toLowerCase() === username.toLowerCase()) return 'expected something other than the user name';
  return null;
}
