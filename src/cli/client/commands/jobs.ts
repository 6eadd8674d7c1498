import { Option } from 'commander';
import { GeardError } from '../../../client/client.ts';
import { isFinal, type Job, jobStates } from '../../../jobs/job.ts';
import { BadConfig } from '../../options/config.ts';
import { hostOption } from '../fields.ts';
import { readPages } from '../pages.ts';
import { createProgress } from '../progress.ts';
import type { Call, Row } from '../row.ts';
import { columns, comeBack, pairs, shortId } from '../show.ts';

interface ListFlags {
  state?: Job['state'];
  gear?: string;
  host?: string;
  user?: string;
  number: string;
}

/** `gear jobs`: the newest first. */
export const list: Row<ListFlags> = {
  sends: ['job.list'],
  options: [
    new Option('--state <state>', 'only jobs in this state').choices(jobStates),
    new Option('--gear <name>', 'only jobs on this gear, environment or repository'),
    hostOption('only jobs of this host'),
    new Option('--user <name>', 'only jobs of this user'),
    new Option('-n, --number <jobs>', 'maximum number of jobs').default('20'),
  ],
  async run(call) {
    const { state, gear, host, user, number } = call.flags;
    if (!/^[1-9]\d{0,6}$/.test(number)) throw new BadConfig('--number: must be a whole number above 0');
    const jobs = await readPages(
      (asked) =>
        call.client.job.list({ state, r: gear, h: host, u: user, ...asked }, { signal: call.signal }),
      (page) => page.jobs,
      Number(number),
    );
    const ids = jobs.map(({ id }) => `${shortId(id)}\n`).join('');
    await call.print({ jobs }, call.quiet ? ids : showJobs(jobs));
    return 0;
  },
};

const showJobs = (jobs: readonly Job[]) =>
  columns(
    ['ID', 'STATE', 'TYPE', 'RESOURCE', 'HOST', 'USER', 'CREATED'],
    jobs.map(({ id, state, type, resource, host, user, createdAt }) => [
      shortId(id),
      state,
      type,
      resource,
      host,
      user,
      createdAt,
    ]),
  );

function showJob({ id, type, state, resource, host, user, attempts, ...more }: Job): string {
  const { createdAt, startedAt, finishedAt, progress, result, error } = more;
  return pairs({
    Job: shortId(id),
    Type: type,
    State: state,
    Resource: resource,
    Host: host,
    User: user,
    Created: createdAt,
    Started: startedAt,
    Finished: finishedAt,
    Attempts: String(attempts),
    Progress: progress && !isFinal(state) ? `${progress.step}: ${progress.message}` : null,
    Result: result ? JSON.stringify(result) : null,
    Error: error ? `${error.title} (${error.code}): ${error.detail}` : null,
  });
}

/** `gear job ID` */
export const read: Row<{ follow?: true }> = {
  sends: ['job.read', 'job.log'],
  names: 'job',
  options: [
    new Option('-f, --follow', 'show its steps until it has finished; exit code 1 if it did not succeed'),
  ],
  async run(call) {
    const [id = ''] = call.args;
    if (call.flags.follow) await followSteps(call, id);
    const job = await call.client.job.read({ id }, { signal: call.signal });
    await call.printEnd(job, showJob(job));
    return call.flags.follow && job.state !== 'succeeded' ? 1 : 0;
  },
};

async function followSteps(call: Call, id: string): Promise<void> {
  const progress = createProgress(call, [id]);
  progress.begin(id);
  try {
    for await (const line of call.client.job.log({ id }, { signal: call.signal })) {
      if ('step' in line) progress.step(id, line);
      else progress.end(id, line.reason === 'succeeded' ? 'succeeded' : 'failed');
    }
  } catch (error) {
    progress.end(id, 'detached');
    if (call.signal.aborted) call.note(`gear: ${comeBack.job(call.flags, id)}`);
    throw error;
  }
}

/** `gear job cancel ID` */
export const cancel: Row = {
  sends: ['job.cancel'],
  names: 'job',
  takes: '<id>',
  summary: 'cancel a job and undo its changes',
  async run(call) {
    const [id = ''] = call.args;
    const job = await cancelled(call, id);
    await call.printEnd(job, `the job is ${job.state}\n`);
    return job.state === 'cancelled' ? 0 : 1;
  },
};

async function cancelled(call: Call, id: string): Promise<Job> {
  const { client, flags, signal, note } = call;
  let job: Job | undefined;
  try {
    job = await client.job.cancel({ id }, { signal }).catch((error: Error) => ifCancelled(call, id, error));
    while (!isFinal(job.state)) job = await client.job.read({ id, wait: 60 }, { signal });
    return job;
  } catch (error) {
    if (signal.aborted) note(`gear: ${comeBack.cancellation(flags, id, job !== undefined)}`);
    throw error;
  }
}

/**
 * Returns a job that was cancelled before it was asked to be: when an answer is lost, the retry
 * finds the job finished. Rejects with the error in every other case.
 */
async function ifCancelled({ client, signal }: Call, id: string, error: Error): Promise<Job> {
  const isFinished = error instanceof GeardError && error.code === 'job_finished';
  const job = isFinished ? await client.job.read({ id }, { signal }).catch(() => null) : null;
  if (job?.state === 'cancelled') return job;
  throw error;
}

/** `gear job log ID` */
export const log: Row = {
  sends: ['job.log'],
  names: 'job',
  takes: '<id>',
  summary: 'print every step of a job, live until it has finished',
  async run(call) {
    const [id = ''] = call.args;
    for await (const line of call.client.job.log({ id }, { signal: call.signal })) {
      const text = 'step' in line ? `${line.step}: ${line.message}` : line.reason;
      await call.print(line, `${line.time} ${text}\n`);
    }
    return 0;
  },
};
