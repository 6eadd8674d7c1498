import type { Command, Option } from 'commander';
import { type NameKind, rowOf } from '../client/row.ts';

/** The words that may follow a command. */
export interface Words {
  commands: Record<string, Words>;
  /** The kind of names that its arguments are. */
  nameKind?: NameKind;
  options: OptionWords[];
}

export interface OptionWords {
  /** `--host`, and its short form where it has one. */
  names: string[];
  takesValue: boolean;
  choices?: readonly string[];
}

/** Collects the words that may follow a command. All its subcommands must be loaded. */
export function collectWords(command: Command): Words {
  const nameKind = rowOf(command)?.names;
  return {
    commands: Object.fromEntries(command.commands.map((child) => [child.name(), collectWords(child)])),
    ...(nameKind && { nameKind }),
    options: command.options.flatMap(optionWords),
  };
}

function optionWords({ long, short, hidden, required, argChoices }: Option): OptionWords[] {
  if (!long || hidden) return [];
  const names = short ? [long, short] : [long];
  return [{ names, takesValue: required, ...(argChoices && { choices: argChoices }) }];
}
