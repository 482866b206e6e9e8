import type { MainFile } from './main-file.ts';

/** Connections that are wanted beside the listening sockets, which count as well. */
const ROOM = 1024;
const ENOUGH = 4096;

/** What the main file lacks for so many routes: sentences with the line to write. */
export function mainFileProblems(main: MainFile, confDir: string, routes: number): string[] {
  const problems: string[] = [];
  if (!main.includesConfDir) {
    problems.push(
      `${main.path} does not read the platform’s files: add \`include ${confDir}/*.conf;\` inside \`http { … }\`.`,
    );
  }
  const wanted = Math.max(ENOUGH, 2 ** Math.ceil(Math.log2(routes + ROOM)));
  if (main.workerConnections < routes + ROOM) {
    problems.push(
      `${main.path} allows ${main.workerConnections} connections, and each public port takes one for good: write \`worker_connections ${wanted};\` inside \`events { … }\`.`,
    );
  }
  // A connection of a client's goes with one to an app.
  if (main.openFiles === null || main.openFiles < 2 * main.workerConnections) {
    problems.push(`${main.path} allows too few open files: write \`worker_rlimit_nofile ${2 * wanted};\` at its top.`);
  }
  if (!main.hasShutdownTimeout) {
    problems.push(
      `${main.path} lets a connection that never ends keep NGINX’s old workers for ever: write \`worker_shutdown_timeout 10m;\` at its top.`,
    );
  }
  return problems;
}

/** How many public ports leave NGINX connections for requests. */
export function mostPorts({ workerConnections, path }: MainFile): { ports: number; sentence: string } {
  const room = Math.min(256, Math.floor(workerConnections / 2));
  const line = `\`worker_connections ${Math.max(ENOUGH, 2 * workerConnections)};\` inside \`events { … }\``;
  return {
    ports: workerConnections - room,
    sentence: `${workerConnections} connections leave NGINX no room for another public port: write ${line} of ${path}`,
  };
}
