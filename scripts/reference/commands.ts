import type { Command, Option } from 'commander';
import { optionTable } from '../../src/cli/options/options.ts';
import { createProgram } from '../../src/cli/program.ts';

/** A command as its help describes it. */
export interface CommandHelp {
  /** All of its words, such as `gear host list`. */
  name: string;
  usage: string;
  summary: string;
  options: { flags: string; text: string }[];
}

/** Every command that help lists, each behind the one that it belongs to. */
export async function commandHelps(): Promise<CommandHelp[]> {
  return helpsBelow(await createProgram(), 'gear');
}

function helpsBelow(command: Command, name: string): CommandHelp[] {
  const { commands, options } = command;
  const help = command.createHelp();
  const listed = help.visibleCommands(command).filter((child) => child.name() !== 'help');
  const isGroup = commands.length > 0 && options.length === 0;
  const own = {
    name,
    usage: `${name} ${isGroup ? 'COMMAND' : command.usage()}`.replace(/ \[command\]/, '').trim(),
    summary: command.description().replace(/\.$/, ''),
    options: options.map((option) => ({ flags: option.flags, text: textOf(option) })),
  };
  return [own, ...listed.flatMap((child) => helpsBelow(child, `${name} ${child.name()}`))];
}

const hostDefault = `(default: ${optionTable.host.default})`;

function textOf({ description, argChoices, defaultValue }: Option): string {
  const choices = argChoices ? ` (one of ${argChoices.join(', ')})` : '';
  const preset = typeof defaultValue === 'string' ? ` (default: ${defaultValue})` : '';
  // One default is not the same on every host.
  const text = description
    .replace(hostDefault, '(default: the name of the host)')
    .replace(' (default: )', '');
  return `${text}${choices}${preset}`;
}
