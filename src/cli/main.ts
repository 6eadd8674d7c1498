import { Command, Option } from 'commander';
import { type OptionDefinition, optionTable, type Role, roleOptions } from './options.ts';
import { runRole } from './run-role.ts';
import { version } from './version.ts';

const summaries: Record<Role, string> = {
  daemon: 'api and worker in one process, with a Redis of its own unless --redis is given',
  api: 'the HTTP front door: validates tokens, accepts jobs, answers reads',
  worker: 'executes the jobs of this host, with systemd and Docker; one on each host',
};

function roleCommand(role: Role): Command {
  const command = new Command(role).description(summaries[role]).allowExcessArguments(false);
  for (const name of roleOptions[role]) {
    const option: OptionDefinition = optionTable[name];
    const text = option.default === undefined ? option.help : `${option.help} (default: ${option.default})`;
    const flags = option.takes ? `${option.flag} ${option.takes}` : option.flag;
    command.addOption(new Option(flags, `${text} [${option.env}]`));
  }
  return command.action(async (flags: Record<string, string | boolean | undefined>) => {
    process.exitCode = await runRole(role, flags);
  });
}

const program = new Command('gear')
  .description('Containers as systemd units, by HTTP: PUT a container and it runs.')
  .version(version)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
for (const role of Object.keys(summaries) as Role[]) {
  program.addCommand(roleCommand(role).copyInheritedSettings(program));
}
await program.parseAsync();
// What still holds the event loop must not keep a role alive that has been closed.
process.exit();
