import { readFileSync, statSync } from 'node:fs';
import ssh2 from 'ssh2';

/** What is wrong with the file of a private key and what to do about it, in one sentence; null when it can be used. */
export function checkKeyFile(path: string): string | null {
  let text: Buffer;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return `${path} is no file: it has to be a private key`;
    const mode = stat.mode & 0o777;
    if (mode & 0o077) {
      return `others than its owner can use the private key ${path} (mode ${mode.toString(8)}): chmod 600 ${path}`;
    }
    text = readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return `there is no private key at ${path}`;
    if (code === 'EACCES') return `the platform may not read the private key ${path}: give it to the user it runs as`;
    throw error;
  }
  const parsed = ssh2.utils.parseKey(text);
  // Its own words may hold what it read.
  if (parsed instanceof Error) {
    return /passphrase|encrypted/i.test(parsed.message)
      ? `the private key ${path} has a passphrase: use one without, or an SSH agent`
      : `${path} is not a private key that can be read: ssh-keygen -t ed25519 makes one`;
  }
  const [key] = [parsed].flat();
  return key?.isPrivateKey() ? null : `${path} is a public key: the private one belongs there`;
}
