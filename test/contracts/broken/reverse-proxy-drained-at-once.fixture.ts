import { reverseProxyContract } from '../reverse-proxy.contract.ts';
import { builtInLab } from './reverse-proxy-lab.ts';

/** Says that all is drained without looking. */
reverseProxyContract('drained at once', {
  changes: 10,
  create: () => builtInLab(() => ({ drained: () => Promise.resolve() })),
});
