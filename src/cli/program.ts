import { Command } from 'commander';
import { commands } from './commands.ts';
import { version } from './version.ts';

/** Makes wrong usage of a command and its subcommands exit with 2. */
function settle(command: Command): Command {
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  for (const child of command.commands) settle(child);
  return command;
}

/**
 * Creates the command `gear`. Subcommands that are not among the words are in its help by name and
 * summary only: loading them would take longer than everything else.
 */
export async function createProgram(words: readonly string[] = Object.keys(commands)): Promise<Command> {
  const program = new Command('gear')
    .description('Containers as systemd units, over HTTP: PUT a container and it runs.')
    .version(version)
    // An option after the name of a command belongs to that command.
    .enablePositionalOptions();
  for (const [name, { summary, fill }] of Object.entries(commands)) {
    const command = new Command(name).description(summary);
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
  return settle(program);
}
