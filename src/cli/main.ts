import { Command } from 'commander';
import { commands } from './commands.ts';
import { version } from './version.ts';

/** Makes wrong usage of a command, and of everything below it, exit with 2. */
function settle(command: Command): Command {
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  for (const child of command.commands) settle(child);
  return command;
}

const program = new Command('gear')
  .description('Containers as systemd units, over HTTP: PUT a container and it runs.')
  .version(version);
const words = process.argv.slice(2);
for (const [name, { summary, fill }] of Object.entries(commands)) {
  const command = new Command(name).description(summary);
  // The others are listed in the help by name only: loading them would take longer than all the
  // rest.
  if (words.includes(name)) await fill(command);
  program.addCommand(command);
}
const help = program.createHelp();
program.configureHelp({
  subcommandTerm: (command) => {
    const takes = commands[command.name()]?.takes;
    return takes === undefined ? help.subcommandTerm(command) : `${command.name()} ${takes}`.trim();
  },
});
await settle(program).parseAsync();
// What still holds the event loop must not keep a role alive that has been closed.
process.exit();
