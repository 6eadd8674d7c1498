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

/** What became of a request: the verdict of the script, and what it is about. */
export interface Recorded {
  verdict: Reply<'accept'>[0];
  /** Of `elsewhere` the host, of `taken` what the id is bound to, of `full` the limit. */
  more: string;
  /** The entry of the name, as the directory has it now, and what it said of it. */
  text: string;
  name: ClaimVerdict;
}

/**
 * Has a request recorded on a host by one script, unless the directory has or chooses another one.
 * In a Cluster the name has been claimed before, and the id is bound first: that is undone where
 * the record is refused.
 */
export async function recordRequest(attempt: Attempt, job: Job): Promise<Recorded> {
  const { parts, submission, candidates, settled, instead } = attempt;
  const { redis, clock, keepSeconds, atOnce, predictor } = parts;
  const { host } = job;
  // A little less than the time after which we give up: what Redis gets to see later must not take
  // place.
  const deadline = Math.floor(clock.now() + commandTimeout - 100);
  const ledger = keys.id(submission.id);
  // Until when the job may still be on its way to the host.
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

/** An id is remembered for longer than its job, which counts from its end. */
const idSeconds = (keepSeconds: number) => 2 * keepSeconds + 30 * 24 * 60 * 60;
