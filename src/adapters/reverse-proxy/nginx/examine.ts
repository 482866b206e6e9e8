import type { Machine } from './machine.ts';
import { checkConf, type MainFile, readMainFile } from './main-file.ts';
import { readRefusal } from './refusal.ts';

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

/** The line of sudoers that lets the platform's user run NGINX, and nothing else. */
export function sudoLine(user: string, program: string, confDir: string): string {
  const commands = [
    `${program} ""`,
    `${program} -t -c ${confDir}/.avishkar/check.conf`,
    `${program} -s reload`,
    '/usr/bin/systemctl start nginx',
  ];
  return `${user} ALL=(root) NOPASSWD: ${commands.join(', ')}`;
}

/** What the machine lacks to be the balancer: sentences that say what to do. Empty: nothing. */
export async function examine(options: {
  machine: Machine;
  confDir: string;
  mainFile: string;
  program: string;
  routes: number;
}): Promise<string[]> {
  const { machine, confDir, mainFile, program } = options;
  const facts = await machine.facts();
  if (facts.version === '') return [`${program} is not on ${machine.name}: install NGINX (apt-get install nginx).`];
  const main = readMainFile(mainFile, facts.main, confDir);
  const problems = mainFileProblems(main, confDir, options.routes);
  if (!facts.writable) {
    return [
      ...problems,
      `${facts.user} may not write to ${confDir} on ${machine.name}: chown ${facts.user} ${confDir}.`,
    ];
  }
  const refused = await machine.refusedCommands();
  if (refused.length > 0) {
    const line = sudoLine(facts.user, program, confDir);
    const what = `${facts.user} may not run by sudo on ${machine.name}: ${refused.join('; ')}`;
    return [...problems, `${what}. Write \`${line}\` to /etc/sudoers.d/${facts.user}.`];
  }
  const seen = await machine.look(main);
  const files = seen.names.map((name) => `${confDir}/${name}`);
  const change = { files: new Map(), shared: new Map(), removed: [], replaced: [] };
  const refusal = await machine.check({ ...change, check: checkConf(main, confDir, files, false) });
  if (refusal === null) return problems;
  return [...problems, `NGINX on ${machine.name} refuses its files: ${readRefusal(refusal, confDir).sentence}.`];
}
