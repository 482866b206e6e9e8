import type { Manifest } from '../../../domain/manifest.ts';
import { installNpm } from './npm.ts';
import type { Toolchain } from './toolchain.ts';

/** The runtimes that work without Docker. Another one is one more entry. */
export const TOOLCHAINS: Partial<Record<Manifest['runtime'], Toolchain>> = {
  node: { install: installNpm, command: (entry, nodePath) => [nodePath, entry] },
};
