import { Option } from 'commander';
import type { CallOptions, Change } from '../../../client/client.ts';
import type { EnvironmentVariable } from '../../../jobs/types/environment.ts';
import { parseJson } from '../../../lib/parse-json.ts';
import { BadConfig } from '../../options/config.ts';
import { type ChangeFlags, change, placeOf } from '../change.ts';
import { hostOption, variablesFrom } from '../fields.ts';
import type { Call, Row } from '../row.ts';
import { nextCommand } from '../show.ts';

interface Flags extends ChangeFlags {
  file?: string;
}

const onHost = hostOption('the host that it is on');
const fileOption = new Option('-f, --file <file>', 'variables, NAME=value a line; - is standard input');

type Verb = 'replace' | 'merge';

async function send(call: Call<Flags>, verb: Verb, env: EnvironmentVariable[]): Promise<number> {
  const [r = ''] = call.args;
  return change(call, {
    names: [r],
    send: (_, options: CallOptions): Change<`environment.${Verb}`> =>
      call.client.environment[verb]({ r, body: { env }, ...placeOf(call.flags) }, options),
    show: (name, { host, result }, seconds) => {
      const { variables, changed, gears } = result;
      const restart = nextCommand(call.flags, `restart ${gears.join(' ')}`);
      const users = changed && gears.length > 0 ? `; ${restart} makes its gears see it` : '';
      return `${name} has ${variables} variables on ${host}${changed ? '' : ', as before'}, in ${seconds}${users}\n`;
    },
  });
}

/** Returns the variables given to a command. Throws `BadConfig` if there are none and no file. */
async function given({ args, flags }: Call<Flags>): Promise<EnvironmentVariable[]> {
  const [, ...texts] = args;
  const variables = await variablesFrom(flags.file, texts);
  if (variables.length > 0 || flags.file !== undefined) return variables;
  throw new BadConfig('name a variable, such as GREETING=hello, or a file of them with -f');
}

/** Creates a command that sends the variables given to it. */
const writing = (verb: Verb, summary: string): Row<Flags> => ({
  sends: [`environment.${verb}`],
  takes: '<name> [NAME=value...]',
  summary,
  changes: 'by job',
  options: [fileOption, onHost],
  run: async (call) => send(call, verb, await given(call)),
});

/** The commands `gear env …`. */
export const environments: Record<string, Row<Flags>> = {
  get: {
    sends: ['environment.read'],
    takes: '<name>',
    summary: 'print the variables of an environment',
    options: [onHost],
    async run(call) {
      const [r = ''] = call.args;
      const text = await call.client.environment.read({ r, h: call.flags.host }, { signal: call.signal });
      await call.print(text, text);
      return 0;
    },
  },
  set: writing('merge', 'set variables of an environment, and leave the others as they are'),
  replace: writing('replace', 'create an environment, or replace all of its variables'),
  unset: {
    changes: 'by job',
    options: [onHost],
    sends: ['environment.read', 'environment.replace'],
    takes: '<name> <NAME...>',
    summary: 'remove variables of an environment; overwrites changes made at the same time',
    async run(call) {
      const [r = '', ...names] = call.args;
      const text = await call.client.environment.read({ r, h: call.flags.host }, { signal: call.signal });
      const kept = parseEnvironment(text).filter(({ name }) => !names.includes(name));
      return send(call, 'replace', kept);
    },
  },
};

/** Parses the api's answer: one NAME="value" per line, with the value as a JSON string. */
function parseEnvironment(text: string): EnvironmentVariable[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const equals = line.indexOf('=');
    return { name: line.slice(0, equals), value: String(parseJson(line.slice(equals + 1))) };
  });
}
