import { Command } from 'commander';
import { hostName } from '../../jobs/fields/identifier.ts';
import type { Job } from '../../jobs/job.ts';
import type { Answer, Result } from '../../jobs/registry.ts';
import { readTrusted } from '../../lib/files/trusted-files.ts';
import { testToken } from '../../token/claims.ts';
import { act } from '../act.ts';
import { BadConfig, type Flags, readSettings } from '../options/config.ts';
import { optionFor } from '../options/options.ts';
import { firstLine } from '../roles/redis-access.ts';
import { addCommand } from './add.ts';
import { type Client, createClient } from './client.ts';
import { joinCommand } from './join.ts';
import { hasDrift, showDrift, showHosts, showRepair } from './show.ts';

const named = ['api', 'tokenFile', 'user'] as const;

/**
 * `gear host …`: shows the hosts of a fleet, drains, compares and repairs them, by HTTP; adds them
 * and has them join.
 */
export function fillHost(host: Command): void {
  const sub = (name: string, description: string, work: (call: Call) => Promise<number>) => {
    const command = new Command(name).description(description).allowExcessArguments(false);
    for (const option of named) command.addOption(optionFor(option));
    return command
      .option('--json', "print the api's answer unchanged")
      .action((...given: unknown[]) => act(async () => work(await callOf(given))));
  };
  host
    .addCommand(sub('list', 'list all hosts', list))
    .addCommand(sub('drain', 'stop placing anything new on a host', become('draining')).argument('<name>'))
    .addCommand(sub('undrain', 'place new gears on a host again', become('live')).argument('<name>'))
    .addCommand(addCommand())
    .addCommand(joinCommand())
    .addCommand(sub('remove', 'forget a host that is gone for good', remove).argument('<name>'))
    .addCommand(
      sub(
        'drift',
        'show drift: changes that were made by hand; exit code 1 if there are any',
        drift,
      ).argument('[name]'),
    )
    .addCommand(sub('repair', 'undo drift, without restarting any gear', repair).argument('<name>'));
}

/** One use of a command. */
interface Call {
  client: Client;
  /** Empty where none was named. */
  host: string;
  json: boolean;
}

/** What commander hands over: the argument, if the command has one, its options, and itself. */
async function callOf(given: unknown[]): Promise<Call> {
  const [flags, argument] = [given.at(-2) as Flags, given.length > 2 ? given[0] : undefined];
  const { api, tokenFile, user } = readSettings(named, flags);
  const host = String(argument ?? '');
  if (host !== '' && !hostName.safeParse(host).success)
    throw new BadConfig([`${host.slice(0, 70)} is not a host name; gear host list shows all`]);
  const token = tokenFile === undefined ? testToken : await readToken(tokenFile);
  const tell = (line: string) => void process.stderr.write(`gear: ${line}\n`);
  return { client: createClient({ api, token, user, tell }), host, json: flags['json'] === true };
}

async function readToken(file: string): Promise<string> {
  const token = firstLine(await readTrusted(file, true)).trim();
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token;
  throw new BadConfig([`--token-file: there is no token in the first line of ${file}`]);
}

const print = (json: boolean, answer: unknown, text: string) =>
  void process.stdout.write(json ? `${JSON.stringify(answer)}\n` : text);

async function list({ client, json }: Call): Promise<number> {
  const answer = (await client.get('hosts')) as Answer<'host.list'>;
  print(json, answer, showHosts(answer.hosts));
  return 0;
}

const become =
  (state: 'draining' | 'live') =>
  async ({ client, host, json }: Call): Promise<number> => {
    const job = await client.change(`host/${state}`, { h: host });
    const { changed } = job.result as Result<'host.drain'>;
    print(json, job, `${host}: ${changed ? 'is' : 'was already'} ${state}\n`);
    return 0;
  };

async function remove({ client, host, json }: Call): Promise<number> {
  const answer = (await client.remove('host', { h: host })) as { removed: { names: number; jobs: number } };
  const { names, jobs } = answer.removed;
  print(json, answer, `${host}: removed; ${names} names are free, ${jobs} unfinished jobs have failed\n`);
  return 0;
}

async function drift({ client, host, json }: Call): Promise<number> {
  const answer = (await client.get('drift', host === '' ? {} : { h: host })) as Answer<'drift.read'>;
  print(json, answer, answer.hosts.map(showDrift).join(''));
  return answer.hosts.some(hasDrift) ? 1 : 0;
}

async function repair({ client, host, json }: Call): Promise<number> {
  const job: Job = await client.change('host/repaired', { h: host });
  print(json, job, showRepair(host, job.result as Result<'host.repair'>));
  return 0;
}
