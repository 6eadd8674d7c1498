import { randomBytes } from 'node:crypto';
import { quote } from '../../src/cli/quote.ts';
import type { Job } from '../../src/jobs/job.ts';
import type { Closers } from '../../src/lib/async/closers.ts';
import { base, sampleImage, samplePort, tokenUrl } from './addresses.ts';
import { execute } from './execute.ts';
import { must, type Place } from './place.ts';
import { say, showCommand, showOutput } from './say.ts';

/** The tree without files, which every repository knows (git's own constant). */
const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

/** Milliseconds a step may take; all of them together take a few seconds. */
const stepDeadline = 60_000;

/** Every run has request ids of its own: the daemon remembers those of earlier ones. */
const newId = () => randomBytes(8).toString('hex');

const installBody = JSON.stringify({ ports: [{ external: String(samplePort), internal: '8080' }] });

/** Installs the sample gear, looks at it from all sides, stops and starts it, makes a repository. Throws at the first surprise. */
export async function takeTour(place: Place, closers: Closers): Promise<void> {
  say('the tour: install a gear, look at it, stop it, start it; make a repository, fetch its archive');
  await undoneByClosers(
    closers,
    ['-X', 'PUT', url('container', `t=${encodeURIComponent(sampleImage)}`), '-d', installBody],
    () => curl(['-sS', '-X', 'DELETE', url('container'), '-H', 'Prefer: wait=30']),
  );
  await pageAnswers();
  await unitIs(place, 'active');
  await logHas('serving on 8080');
  await change(['-X', 'PUT', url('container/stopped')]);
  await unitIs(place, 'inactive');
  await change(['-X', 'PUT', url('container/started')]);
  await unitIs(place, 'active');
  await pageAnswers();
  await repositoryGivesArchive(place, closers);
  say('every step was as it should be');
}

function url(path: string, more?: string): string {
  return `${tokenUrl}/${path}?${[`u=0&d=1&r=1&i=${newId()}`, more].filter(Boolean).join('&')}`;
}

/**
 * Makes a change that the closers undo, also if the tour is interrupted before the change has ended: they wait for that, and the
 * daemon ends after them.
 */
async function undoneByClosers(closers: Closers, args: string[], undo: () => unknown): Promise<void> {
  const changed = change(args);
  closers.push(async () => {
    await changed.catch(() => undefined);
    await undo();
  });
  await changed;
}

/** Sends a change and follows its job's log to the end. */
async function change(args: string[]): Promise<void> {
  showCommand(`curl ${args.map(quote).join(' ')}`);
  const { id } = parseJob(await curl(['-sS', ...args]));
  showCommand(`curl -N ${tokenUrl}/job/${id}/log`);
  showOutput(await curl(['-sSN', '--max-time', String(stepDeadline / 1000), `${tokenUrl}/job/${id}/log`]));
  const job = parseJob(await curl(['-sS', `${tokenUrl}/job/${id}`]));
  if (job.state !== 'succeeded')
    throw new Error(`the job ended ${job.state}: ${job.error?.detail ?? 'without a reason'}`);
}

async function logHas(line: string): Promise<void> {
  const address = `${tokenUrl}/container/log?u=0&d=1&r=1&for=1`;
  showCommand(`curl -N "${address}"`);
  const until = Date.now() + stepDeadline / 2;
  let log = await curl(['-sSN', address]);
  while (!log.includes(line) && Date.now() < until) log = await curl(['-sSN', address]);
  showOutput(log);
  if (!log.includes(line)) throw new Error(`the log should have the line "${line}"`);
}

/** Makes a repository, commits to it on the host as anybody with git would, and fetches its archive. */
async function repositoryGivesArchive(place: Place, closers: Closers): Promise<void> {
  const name = `tour-${newId()}`;
  const repository = `${base}/git/${name}`;
  await undoneByClosers(
    closers,
    ['-X', 'PUT', `${tokenUrl}/repository?u=0&d=1&r=${name}&i=${newId()}`],
    () => must(place, 'rm', '-rf', repository), // Repositories are removed by hand.
  );
  const git = (...args: string[]) => must(place, 'git', '--git-dir', repository, ...args);
  const identity = ['-c', 'user.name=tour', '-c', 'user.email=tour@localhost'];
  const commit = (await git(...identity, 'commit-tree', '-m', 'the first commit', emptyTree)).trim();
  await git('update-ref', 'HEAD', commit);
  const address = `${tokenUrl}/content?u=0&d=1&t=gitarchive&r=${name}`;
  showCommand(`curl -o archive.zip "${address}"`);
  await curl(['-sS', '--fail', '--output', '/dev/null', address]);
}

async function pageAnswers(): Promise<void> {
  const address = `http://localhost:${samplePort}/`;
  showCommand(`curl ${address}`);
  const page = await curl([
    '-sS',
    '--fail',
    '--retry',
    '20',
    '--retry-all-errors', // What stands before the gear accepts connections earlier than the gear does.
    '--retry-delay',
    '1',
    '--max-time',
    '20',
    address,
  ]);
  showOutput(page);
}

async function unitIs(place: Place, expected: 'active' | 'inactive'): Promise<void> {
  showCommand(`${place.prefix}systemctl status gear-1`);
  const { output } = await place.run('systemctl', 'status', 'gear-1', '--no-pager', '--lines=3');
  showOutput(output);
  const state = (await place.run('systemctl', 'is-active', 'gear-1')).output.trim();
  if (state !== expected) throw new Error(`gear-1 should be ${expected} and is ${state}`);
}

async function curl(args: string[]): Promise<string> {
  const { status, output } = await execute('curl', args);
  if (status !== 0) throw new Error(`curl exited with ${status}: ${output.trim()}`);
  return output;
}

function parseJob(text: string): Job {
  const value = JSON.parse(text);
  if (typeof value?.id !== 'string') throw new Error(`this is no job: ${text.trim()}`);
  return value;
}
