import type { Command, Option } from 'commander';
import type { OptionDefinition } from '../../src/cli/options/option-definition.ts';
import { optionTable } from '../../src/cli/options/options.ts';
import { createProgram } from '../../src/cli/program.ts';

/** A command as its help describes it. */
export interface CommandHelp {
  /** All of its words, such as `gear host list`. */
  name: string;
  usage: string;
  /** A sentence. */
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
    summary: sentence(command.description()),
    options: options.map((option) => ({ flags: option.flags, text: textOf(option) })),
  };
  return [own, ...listed.flatMap((child) => helpsBelow(child, `${name} ${child.name()}`))];
}

const sentence = (text: string) => `${text.slice(0, 1).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;

/** The words for each default that differs from host to host, by the flag. */
const inWords = new Map(
  Object.values<OptionDefinition>(optionTable).flatMap(({ flag, default: preset, defaultInWords }) =>
    defaultInWords === undefined
      ? []
      : [[flag, { shown: `(default: ${preset})`, words: `(default: ${defaultInWords})` }] as const],
  ),
);

function textOf({ long, description, argChoices, defaultValue }: Option): string {
  const choices = argChoices ? ` (one of ${argChoices.join(', ')})` : '';
  const preset = typeof defaultValue === 'string' ? ` (default: ${defaultValue})` : '';
  const { shown = '', words = '' } = inWords.get(long ?? '') ?? {};
  return `${description.replace(shown, words).replace(' (default: )', '')}${choices}${preset}`;
}
