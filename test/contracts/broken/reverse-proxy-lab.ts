import { systemClock } from '../../../src/adapters/clock/system.ts';
import { type BuiltInProxyOptions, createBuiltInProxy } from '../../../src/adapters/reverse-proxy/built-in/proxy.ts';
import type { ReverseProxy } from '../../../src/ports/reverse-proxy.ts';
import type { ReverseProxyLab } from '../reverse-proxy.contract.ts';

/** The built-in proxy on loopback; `breakIt` replaces methods. */
export async function builtInLab(
  breakIt: (proxy: ReverseProxy) => Partial<ReverseProxy> = () => ({}),
  options: Partial<BuiltInProxyOptions> = {},
): Promise<ReverseProxyLab> {
  const proxy = createBuiltInProxy({ host: '127.0.0.1', clock: systemClock, closeGraceMs: 1000, ...options });
  return { proxy: { ...proxy, ...breakIt(proxy) }, cleanup: () => proxy.close() };
}
