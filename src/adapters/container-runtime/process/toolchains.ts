import { dirname } from 'node:path';
import type { Runtime } from '../../../domain/manifest.ts';
import { installNpm } from './npm.ts';
import { installPython, pythonProgram } from './python.ts';
import { staticProgram } from './static.ts';
import type { Toolchain } from './toolchain.ts';

/** The runtimes that work without Docker. Another one is one more entry. */
export const TOOLCHAINS: Partial<Record<Runtime, Toolchain>> = {
  node: {
    install: installNpm,
    program: ({ manifest, nodePath }) => ({
      argv: [nodePath, manifest.entry],
      env: { NODE_ENV: 'production' },
      path: [dirname(nodePath)],
    }),
  },
  python: { install: installPython, program: pythonProgram },
  static: { install: async () => undefined, program: staticProgram },
};

export const SUPPORTED_RUNTIMES = Object.keys(TOOLCHAINS) as Runtime[];
