import { BlockList, isIP } from 'node:net';
import { AvkError } from '../../domain/errors.ts';

/**
 * Whether an address is in one of the networks. IPv4 addresses count as such also where a dual-stack socket maps them.
 *
 * @param networks `10.0.0.0/8`, `fd00::/8`, or single addresses
 * @throws AvkError AVK_BAD_CONFIG that names the one that is none
 */
export function createNetworkList(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const { address, prefix, family } = parse(network);
    list.addSubnet(address, prefix, family);
  }
  return (address) => {
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
    const version = isIP(plain);
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  };
}

function parse(network: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } {
  const [address = '', length, ...rest] = network.split('/');
  const version = isIP(address);
  const longest = version === 4 ? 32 : 128;
  const prefix = length === undefined ? longest : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (version === 0 || address.includes('%') || rest.length > 0 || !(prefix <= longest)) {
    const message = `legacy.allowFrom: expected networks such as 10.0.0.0/8 or fd00::/8, got ${JSON.stringify(network)}`;
    throw new AvkError('AVK_BAD_CONFIG', message, {
      errors: [{ path: 'legacy.allowFrom', message: 'expected a network in CIDR form', received: network }],
    });
  }
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}
