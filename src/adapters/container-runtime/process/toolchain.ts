/** What a toolchain may use while it prepares an app. */
export interface InstallContext {
  /** The unpacked app. */
  folder: string;
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

/** How apps of one runtime are prepared and run as a process. */
export interface Toolchain {
  /** Installs the app's dependencies; throws AVK_BUILD_FAILED. */
  install: (context: InstallContext) => Promise<void>;
  /** The program and its arguments, to run in the app's folder. */
  command: (entry: string, nodePath: string) => [string, ...string[]];
}
