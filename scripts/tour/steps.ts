import { randomBytes } from 'node:crypto';
import type { Job } from '../../src/jobs/job.ts';
import type { Closers } from '../../src/lib/closers.ts';
import { pause } from '../../src/lib/pause.ts';
import { sampleImage, samplePort, tokenUrl } from './addresses.ts';
import { execute } from './execute.ts';
import type { Place } from './place.ts';
import { say, showCommand, showOutput } from './say.ts';

/** Milliseconds a step may take; all of them together take a few seconds. */
const stepDeadline = 60_000;

/** Every run has request ids of its own: the daemon remembers those of earlier ones. */
const newId = () => randomBytes(8).toString('hex');

const installBody = JSON.stringify({ ports: [{ external: String(samplePort), internal: '8080' }] });

/** Installs the sample gear, looks at it from all sides, stops it and starts it again. Throws at the first surprise. */
export async function takeTour(place: Place, closers: Closers): Promise<void> {
  say('the tour: install a gear, look at it, stop it, start it');
  await change(['-X', 'PUT', url('container', `t=${encodeURIComponent(sampleImage)}`), '-d', installBody]);
  closers.push(() => curl(['-sS', '-X', 'DELETE', url('container'), '-H', 'Prefer: wait=30']));
  await pageAnswers();
  await unitIs(place, 'active');
  await change(['-X', 'PUT', url('container/stopped')]);
  await unitIs(place, 'inactive');
  await change(['-X', 'PUT', url('container/started')]);
  await unitIs(place, 'active');
  await pageAnswers();
  say('every step was as it should be');
}

function url(path: string, more?: string): string {
  return `${tokenUrl}/${path}?${[`u=0&d=1&r=1&i=${newId()}`, more].filter(Boolean).join('&')}`;
}

/** Sends a change and follows its job to the end. */
async function change(args: string[]): Promise<void> {
  showCommand(`curl ${args.map(quote).join(' ')}`);
  const accepted = parseJob(await curl(['-sS', ...args]));
  const job = await follow(accepted.id);
  if (job.state !== 'succeeded')
    throw new Error(`the job ended ${job.state}: ${job.error?.detail ?? 'without a reason'}`);
  const took = Date.parse(job.finishedAt ?? '') - Date.parse(job.createdAt);
  showOutput(`job ${job.id}: succeeded in ${took} ms\n${JSON.stringify(job.result)}`);
}

/** Shows each new step of a job until it has finished. */
async function follow(id: string): Promise<Job> {
  const until = Date.now() + stepDeadline;
  let shown = '';
  while (Date.now() < until) {
    const job = parseJob(await curl(['-sS', `${tokenUrl}/job/${id}`]));
    const { progress } = job;
    const percent = progress?.percent === undefined ? '' : ` (${progress.percent} %)`;
    const line = progress ? `${progress.step}: ${progress.message}${percent}` : job.state;
    if (job.finishedAt !== null) return job;
    if (line !== shown) showOutput(line);
    shown = line;
    await pause(30);
  }
  throw new Error(`the job ${id} has not finished within ${stepDeadline / 1000} s`);
}

async function pageAnswers(): Promise<void> {
  const address = `http://localhost:${samplePort}/`;
  showCommand(`curl ${address}`);
  const page = await curl([
    '-sS',
    '--fail',
    '--retry',
    '20',
    '--retry-connrefused',
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

const quote = (text: string) => (/^[\w./:=-]+$/.test(text) ? text : `'${text}'`);
