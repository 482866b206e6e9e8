import { Command, CommanderError } from 'commander';
import { VERSION } from '../main/version.ts';
import { appsCommand } from './apps.ts';
import { deployCommand } from './deploy.ts';
import { drainCommand, resumeCommand } from './drain.ts';
import { eventsCommand } from './events.ts';
import { loginCommand } from './login.ts';
import { logsCommand } from './logs.ts';
import { nodesCommand } from './nodes.ts';
import { reportError, surviveClosedPipes } from './output.ts';
import { psCommand } from './ps.ts';
import { restartCommand, rollbackCommand, upgradeCommand } from './rollout.ts';
import { scaleCommand } from './scale.ts';
import { cancelCommand, stopCommand } from './stop.ts';
import { upCommand } from './up.ts';
import { uploadCommand } from './upload.ts';

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
  uploadCommand(),
  appsCommand(),
  deployCommand(),
  psCommand(),
  logsCommand(),
  scaleCommand(),
  upgradeCommand(),
  rollbackCommand(),
  restartCommand(),
  stopCommand(),
  cancelCommand(),
  eventsCommand(),
  nodesCommand(),
  drainCommand(),
  resumeCommand(),
]) {
  program.addCommand(
    command.exitOverride().showHelpAfterError(`(try avishkar ${command.name()} --help)`).allowExcessArguments(false),
  );
}

surviveClosedPipes();
try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed its own message: help and version are no errors, the rest is wrong usage.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  else process.exitCode = reportError(error, process.argv.includes('--json'));
}
