import type { Manifest } from '../../../domain/manifest.ts';

/** What a toolchain may use while it prepares an app. */
export interface InstallContext {
  /** The unpacked app. */
  folder: string;
  /** The image's own folder, for what belongs beside the app. It is never moved: what is installed may name it. */
  image: string;
  /** Runs a program in the app's folder, in a group that ends with the build. Its output goes to the build log. */
  run: (argv: readonly [string, ...string[]], env: Record<string, string>) => Promise<number>;
  /** The Node that runs apps. */
  nodePath: string;
  /** The platform's own environment: pick from it, never pass it on. */
  environment: NodeJS.ProcessEnv;
  /** A folder of the platform that is kept between builds, for downloads. */
  cache: string;
  /** A folder for this build alone. */
  home: string;
}

/** What a toolchain knows of a replica that is to start. */
export interface LaunchContext {
  /** The image's folder. */
  image: string;
  manifest: Manifest;
  /** The Node that runs apps. */
  nodePath: string;
  /** Where the replica is expected to answer. */
  address: string;
  /** The platform's folder for downloads and the like. */
  cache: string;
}

/** How a replica runs, in the app's folder. */
export interface Program {
  argv: [string, ...string[]];
  /** What every app of this runtime is told unless it says otherwise itself. */
  env: Record<string, string>;
  /** Folders before those of the platform's PATH. */
  path: string[];
}

/** How apps of one runtime are prepared and run as a process. */
export interface Toolchain {
  /** Installs the app's dependencies; throws AVK_BUILD_FAILED, and AVK_RUNTIME_UNSUPPORTED when the machine lacks something. */
  install: (context: InstallContext) => Promise<void>;
  program: (context: LaunchContext) => Program;
}
