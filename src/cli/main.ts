import { Command, CommanderError } from 'commander';
import { VERSION } from '../main/version.ts';
import { appsCommand } from './apps.ts';
import { auditCommand } from './audit.ts';
import { backupCommand, restoreCommand } from './backup.ts';
import { deployCommand } from './deploy.ts';
import { doctorCommand } from './doctor.ts';
import { eventsCommand } from './events.ts';
import { loginCommand } from './login.ts';
import { logoutCommand } from './logout.ts';
import { logsCommand } from './logs.ts';
import { metricsCommand } from './metrics.ts';
import { nodesCommand } from './nodes.ts';
import { reportError, surviveClosedPipes } from './output.ts';
import { passwdCommand } from './passwd.ts';
import { platformCommand } from './platform.ts';
import { psCommand } from './ps.ts';
import { scaleCommand } from './scale.ts';
import { scheduleCommand } from './schedule.ts';
import { cancelCommand, stopCommand } from './stop.ts';
import { tokensCommand } from './tokens.ts';
import { upCommand } from './up.ts';
import { uploadCommand } from './upload.ts';
import { usersCommand } from './users.ts';

const EXIT_USAGE = 2;

const program = new Command('avishkar')
  .description('A self-hosted application platform for distributed IoT')
  .version(VERSION)
  .showHelpAfterError('(try avishkar --help)')
  // `deploy --version` is the app's, not the platform's.
  .enablePositionalOptions()
  .exitOverride();
for (const command of [
  upCommand(),
  loginCommand(),
  logoutCommand(),
  passwdCommand(),
  uploadCommand(),
  appsCommand(),
  deployCommand(),
  scheduleCommand(),
  psCommand(),
  logsCommand(),
  scaleCommand(),
  stopCommand(),
  cancelCommand(),
  eventsCommand(),
  metricsCommand(),
  nodesCommand(),
  platformCommand(),
  doctorCommand(),
  backupCommand(),
  restoreCommand(),
  usersCommand(),
  tokensCommand(),
  auditCommand(),
]) {
  prepare(command, command.name());
  program.addCommand(command);
}

/** Wrong usage ends as in every other command, in those below a command, too. */
function prepare(command: Command, name: string): void {
  command.exitOverride().showHelpAfterError(`(try avishkar ${name} --help)`).allowExcessArguments(false);
  for (const inner of command.commands) prepare(inner, `${name} ${inner.name()}`);
}

surviveClosedPipes();
try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed its own message: help and version are no errors, the rest is wrong usage.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  else process.exitCode = reportError(error, process.argv.includes('--json'));
}
