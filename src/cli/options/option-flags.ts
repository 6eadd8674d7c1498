import { Option } from 'commander';
import { type OptionDefinition, type OptionName, optionTable } from './options.ts';

/** An option of ours as commander has it, with its default and its variable in the help. */
export function optionFor(name: OptionName): Option {
  const option: OptionDefinition = optionTable[name];
  const text = option.default === undefined ? option.help : `${option.help} (default: ${option.default})`;
  const flags = option.takes ? `${option.flag} ${option.takes}` : option.flag;
  return new Option(flags, `${text} [${option.env}]`);
}
