import type { Job } from '../../jobs/job.ts';
import { jobs } from '../../jobs/registry.ts';
import { commandTimeout } from '../redis/connection.ts';
import { keys } from '../redis/keys.ts';
import { type ClaimVerdict, type Reply, runScript } from '../scripts/run-script.ts';
import type { Attempt } from './attempt.ts';
import {
  claimArgument,
  directoryKeys,
  recordArgument,
  recordFields,
  recordKeys,
} from './script-arguments.ts';

/** The outcome of a request: the script's verdict, and its details. */
export interface Recorded {
  verdict: Reply<'accept'>[0];
  /** For `elsewhere` the host, for `taken` the id's binding, for `full` the limit. */
  more: string;
  /** The directory's current entry of the name, and its verdict on the name. */
  text: string;
  name: ClaimVerdict;
}

/**
 * Records a request on a host with one script, unless the directory has or chooses another host. In
 * a Cluster the name is already claimed, and the id is bound first; if the record is refused, it
 * unbinds the id.
 */
export async function recordRequest(attempt: Attempt, job: Job): Promise<Recorded> {
  const { parts, submission, candidates, settled, instead } = attempt;
  const { redis, clock, keepSeconds, atOnce, predictor } = parts;
  const { host } = job;
  // A little less than our own timeout: a request that reaches Redis later must have no effect.
  const deadline = Math.floor(clock.now() + commandTimeout - 100);
  const ledger = keys.id(submission.id);
  // Until then the job may still be in flight to the host.
  const value = `${host} ${deadline}`;
  const binding = [instead, value, idSeconds(keepSeconds)];
  if (!atOnce) {
    const bound = await runScript(redis, 'reserveId', [ledger], [host, ...binding]);
    if (bound !== null) return { verdict: 'taken', more: bound, text: '', name: 'held' };
  }
  const elsewhere = atOnce ? [...directoryKeys(submission), ledger] : [];
  const what = recordArgument(submission, parts, deadline, settled);
  const reply = await runScript(
    redis,
    'accept',
    [...recordKeys(submission, host), ...elsewhere],
    [host, what, claimArgument(attempt), ...binding, ...recordFields(job, submission)],
  );
  const [verdict, more = '', text = '', name = 'held', compared = []] = reply;
  if (name === 'claimed') {
    const chosen = verdict === 'elsewhere' ? more : host;
    predictor.learn(jobs[submission.command.type].on, candidates, compared, chosen);
  }
  if (!atOnce && verdict !== 'accepted' && verdict !== 'known')
    await runScript(redis, 'freeId', [ledger], [value, host]);
  return { verdict, more, text, name };
}

/** Seconds to remember an id: longer than its job, which counts from its end. */
const idSeconds = (keepSeconds: number) => 2 * keepSeconds + 30 * 24 * 60 * 60;
