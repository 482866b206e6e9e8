import { isIP } from 'node:net';

/** Whether it is an address by itself, which nobody has to be asked for, and which means the same on every machine. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}

/** The one spelling of an IPv4 or IPv6 address, so that two of them can be compared. */
export function canonicalAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  // An IPv4 address that is written as IPv6.
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return short;
  const parts = [high, low].map((half) => Number.parseInt(half, 16)).flatMap((half) => [half >> 8, half & 0xff]);
  return parts.join('.');
}
