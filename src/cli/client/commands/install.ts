import { Option } from 'commander';
import type { RequestOf } from '../../../client/client.ts';
import { type ChangeFlags, change, placeOf } from '../change.ts';
import { collect, hostOption, portOf, variablesFrom, volumeOf } from '../fields.ts';
import type { Row } from '../row.ts';
import { shortId } from '../show.ts';

interface InstallFlags extends ChangeFlags {
  publish?: string[];
  env?: string[];
  envFile?: string;
  environment?: string;
  volume?: string[];
  network?: string;
  memory?: string;
  cpus?: string;
  startSeconds?: string;
  start: boolean;
  createOnly?: true;
}

type Body = NonNullable<RequestOf<'container.install'>['body']>;

/** `gear install NAME IMAGE`: the flags are named as in `docker run`. */
export const install: Row<InstallFlags> = {
  sends: ['container.install'],
  names: 'gear',
  changes: 'by job',
  options: [
    collect(
      '-p, --publish <[external:]internal>',
      'publish a port of the gear; without EXTERNAL the host chooses the external port',
    ),
    collect('-e, --env <NAME=value>', 'set a variable; NAME alone takes its value from here'),
    new Option('--env-file <file>', 'variables, NAME=value a line'),
    new Option('--environment <name>', 'use an environment of the host, see gear env'),
    collect('-v, --volume <name:path[:gear]>', 'mount a volume of the gear, or of another one'),
    new Option('--network <name>', 'the shared network to join'),
    new Option('-m, --memory <bytes>', 'maximum memory, such as 256m'),
    new Option('--cpus <number>', 'maximum number of processors, such as 0.5'),
    new Option('--start-seconds <seconds>', 'how long it may take until it listens on its ports'),
    new Option('--no-start', 'install it without starting it; a running version keeps running'),
    new Option('--create-only', 'fail if the gear exists'),
    hostOption('the host to install it on; default: the host that has it, else the fleet decides'),
  ],
  async run(call) {
    const [r = '', t = '', ...command] = call.args;
    const { flags, client } = call;
    const body = await bodyOf(flags, command);
    const only = flags.createOnly && { headers: { 'If-None-Match': '*' } };
    return change(call, {
      names: [r],
      send: (_, options) =>
        client.container.install({ r, t, body, ...placeOf(flags) }, { ...options, ...only }),
      show: (name, { host, result, id }, seconds) => {
        const ports = result.ports.map(({ internal, external }) => `${internal} is reached at ${external}`);
        const state = result.container === null ? 'is installed' : 'runs';
        const before = result.changed ? '' : ', as it did before';
        const told = [`${name} ${state} on ${host}${before}`, ports.join(', ')].filter(Boolean).join(': ');
        return `${told}, in ${seconds} (job ${shortId(id)})\n`;
      },
    });
  },
};

/** Converts the flags to the body of the request. The api applies its defaults to the rest. */
async function bodyOf(flags: InstallFlags, command: string[]): Promise<Body> {
  const { publish, env = [], envFile, volume, environment, network, memory, cpus, startSeconds } = flags;
  const variables = await variablesFrom(envFile, env);
  return {
    ports: publish?.map(portOf),
    env: variables.length > 0 ? variables : undefined,
    environment,
    command: command.length > 0 ? command : undefined,
    volumes: volume?.map(volumeOf),
    network,
    memory,
    cpus,
    startSeconds,
    start: flags.start ? undefined : false,
  };
}
