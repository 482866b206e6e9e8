import type { Resources } from '../../domain/manifest.ts';
import type { NodeSnapshot } from '../../domain/node.ts';
import { place } from '../../domain/placement.ts';
import type { Fleet } from './fleet.ts';

/**
 * The healthiest machine now, with the reason; the room is promised by the caller.
 *
 * @param avoid machines that are chosen only where no other can take it
 */
export function chooseNode(
  fleet: Fleet,
  resources: Resources,
  avoid: readonly string[] = [],
): { node: NodeSnapshot; score: number; reason: string } | { node: null; reason: string } {
  const { nodes } = fleet.view();
  const placement = place(nodes, resources, avoid);
  const node = nodes.find((candidate) => candidate.name === placement.node);
  return placement.node === null || !node ? { node: null, reason: placement.reason } : { ...placement, node };
}
