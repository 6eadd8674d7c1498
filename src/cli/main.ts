import { Command } from 'commander';
import { hostCommand } from './host/command.ts';
import { BadConfig } from './options/config.ts';
import { optionFor } from './options/option-flags.ts';
import { type Role, roleOptions } from './options/options.ts';
import { redisAclCommand } from './redis-acl-command.ts';
import { runRole } from './roles/run-role.ts';
import { tokenCommand } from './token/command.ts';
import { version } from './version.ts';

const summaries: Record<Role, string> = {
  daemon: 'run api and worker in one process, with a Redis of its own unless --redis is given',
  api: 'run the HTTP API: validate tokens, accept jobs, answer reads',
  worker: 'run the jobs of this host, with systemd and Docker; one worker per host',
};

function roleCommand(role: Role): Command {
  const command = new Command(role).description(summaries[role]).allowExcessArguments(false);
  for (const name of roleOptions[role]) command.addOption(optionFor(name));
  return command.action(async (flags: Record<string, string | boolean | undefined>) => {
    process.exitCode = await runRole(role, flags);
  });
}

/** Runs a command that ends by itself: errors in readable lines, 1 where it failed, 2 where it was used wrongly. */
async function act(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    const lines = error instanceof BadConfig ? error.lines : [(error as Error).message];
    for (const line of lines) process.stderr.write(`gear: ${line}\n`);
    process.exitCode = error instanceof BadConfig ? 2 : 1;
  }
}

/** Has it and everything below it exit with 2 where it is used wrongly. */
function settle(command: Command): Command {
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  for (const child of command.commands) settle(child);
  return command;
}

const program = new Command('gear')
  .description('Containers as systemd units, over HTTP: PUT a container and it runs.')
  .version(version);
for (const role of Object.keys(summaries) as Role[]) program.addCommand(roleCommand(role));
program.addCommand(hostCommand(act)).addCommand(tokenCommand(act)).addCommand(redisAclCommand(act));
await settle(program).parseAsync();
// What still holds the event loop must not keep a role alive that has been closed.
process.exit();
