import { text as readAll } from 'node:stream/consumers';
import { Command, Option } from 'commander';
import type { KeyRole } from '../../token/key-files.ts';
import { act } from '../act.ts';
import { collect } from '../client/fields.ts';
import { BadConfig, type Flags, lifetimesOf, readSettings } from '../options/config.ts';
import { optionFor } from '../options/options.ts';
import { hideArguments } from '../roles/process-hardening.ts';
import type { CreateFlags } from './create.ts';

const named = ['keys', 'fleet', 'tokenHours', 'tokenReadHours'] as const;

/** `gear token …`: creates keys and tokens, and inspects tokens. */
export function fillToken(token: Command): void {
  token
    .command('keygen <directory>')
    .description('create a key pair for an issuer and one for the daemons; keeps existing keys, for rotation')
    .addOption(new Option('--only <role>', 'for one role only').choices(['issuer', 'daemon']))
    .action((directory: string, { only }: { only?: KeyRole }) =>
      act(async () => {
        const { keygen } = await import('./keygen.ts');
        process.stdout.write(await keygen(directory, only ? [only] : ['issuer', 'daemon']));
        return 0;
      }),
    );
  token.addCommand(createCommand());
  token.addCommand(inspectCommand());
}

function withSettings(command: Command): Command {
  for (const name of named) command.addOption(optionFor(name));
  return command;
}

/** Reads the settings that tokens depend on. Throws `BadConfig`. */
function settingsOf(flags: Flags) {
  const settings = readSettings(named, flags);
  const { keys, fleet, ...hours } = settings;
  if (keys === undefined)
    throw new BadConfig('--keys is missing: the directory with the keys; gear token keygen creates one');
  return { keys, fleet, lifetimes: lifetimesOf(hours) };
}

function createCommand(): Command {
  return withSettings(new Command('create'))
    .description('print a token; the query of a request may set everything that the token does not fix')
    .addOption(
      collect('--action <action>', 'allow this action, such as container.install or *.read; repeatable'),
    )
    .option('--r <name>', 'for this resource, or for all names with a prefix: team-*')
    .option('--t <type>', 'with this type: the image, the repository to clone, gitarchive')
    .option('--h <host>', 'on this host only')
    .option('--u <user>', 'for this user')
    .option('--i <id>', 'for this request id only: the token works once')
    .option('--once', 'the same, with a random id')
    .option('--expires <span>', 'lifetime: 90s, 15m, 24h, 7d', '15m')
    .option('--body <file>', 'for exactly the body in this file')
    .option('--issuer <kid>', 'sign with this key (default: the newest)')
    .option('--daemon <kid>', 'encrypt to this key (default: the newest)')
    .option('--url', 'print the whole URL')
    .option('--curl', 'print the curl command')
    .addOption(optionFor('api'))
    .action((flags: CreateFlags) =>
      act(async () => {
        const { createToken } = await import('./create.ts');
        process.stdout.write(await createToken(flags, settingsOf(flags)));
        return 0;
      }),
    );
}

function inspectCommand(): Command {
  return withSettings(new Command('inspect'))
    .description('show the claims of a token and whether it would be accepted now; exit code 1 if not')
    .argument('[token]', 'the token; by default read from standard input, where ps does not show it')
    .action((given: string | undefined, flags: Flags) =>
      act(async () => {
        hideArguments('gear token inspect');
        const token = (given ?? (await readAll(process.stdin))).trim();
        const { inspectToken } = await import('./inspect.ts');
        const { text, accepted } = await inspectToken(token, settingsOf(flags));
        process.stdout.write(text);
        return accepted ? 0 : 1;
      }),
    );
}
