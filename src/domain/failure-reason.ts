/** What the platform was at with an app when something went wrong. */
export type Doing = 'preparing' | 'placing' | 'building' | 'starting' | 'registering' | 'running';

const DOINGS: readonly Doing[] = ['preparing', 'placing', 'building', 'starting', 'registering', 'running'];

/**
 * `building on VM2: npm ci failed with exit code 1.`: what failed, at what and where, each said once. `node` is empty
 * where there is none yet.
 */
export function reasonAt(doing: Doing, node: string, reason: string): string {
  if (DOINGS.some((each) => reason.startsWith(`${each} `))) return reason;
  return node === '' || names(reason, node) ? `${doing} it: ${reason}` : `${doing} on ${node}: ${reason}`;
}

/** As a word of its own: VM1 is not in VM12. */
function names(reason: string, node: string): boolean {
  return reason.split(/[^\w.-]+/).some((word) => word === node || word === `${node}.`);
}
