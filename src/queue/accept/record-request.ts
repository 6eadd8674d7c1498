import type { Job } from '../../jobs/job.ts';
import { jobs } from '../../jobs/registry.ts';
import { entrySettled } from '../directory/entries.ts';
import type { RedisClock } from '../redis/clock.ts';
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

/** How a request on its way to its host is put into Redis: at once, or slot by slot; see scripts/lua. */

/** What the directory is asked by a request that may go anywhere. */
export function claimAnywhere({ id, submission, placement, candidates, epoch }: Attempt): string {
  const some = candidates.length < placement.candidates.length;
  const settled = placement.only === null ? { settled: entrySettled } : {};
  return claimArgument(submission, { ...placement, candidates }, { epoch, attempt: id, some, ...settled });
}

/** What the directory is asked by one that goes to this host. */
function claimOn({ id, submission, placement, epoch }: Attempt, only: string): string {
  const candidates = placement.candidates.filter((candidate) => candidate.host === only);
  return claimArgument(submission, { only, candidates }, { epoch, attempt: id });
}

/** What became of a request: the verdict of the scripts, and what it is about. */
export interface Recorded {
  verdict: Reply<'acceptAtOnce'>[0];
  /** Of `elsewhere` the host, of `taken` what the id is bound to, of `full` the limit. */
  more: string;
  /** The entry of the name, as the directory has it now, and what it said of it. */
  text: string;
  name: ClaimVerdict;
}

/** Has a request recorded by one script. Where the job's host is a guess the directory chooses, and may choose another. */
export async function recordAtOnce(attempt: Attempt, job: Job): Promise<Recorded> {
  const { parts, submission, guess, settled, instead } = attempt;
  const { host } = job;
  const scriptKeys = [...directoryKeys(submission), keys.id(submission.id), ...recordKeys(submission, host)];
  const deadline = deadlineOf(parts.clock);
  const args = [
    ...[guess ? claimAnywhere(attempt) : claimOn(attempt, host), host, instead],
    ...[ledgerValue(host, deadline), idSeconds(parts.keepSeconds)],
    ...[recordArgument(submission, parts, deadline, settled), ...recordFields(job, submission)],
  ];
  const reply = await runScript(parts.redis, 'acceptAtOnce', scriptKeys, args);
  const [verdict, more = '', text = '', name = 'held', compared = []] = reply;
  if (name === 'claimed' && guess) {
    const chosen = verdict === 'elsewhere' ? more : host;
    parts.predictor.learn(jobs[submission.command.type].on, attempt.candidates, compared, chosen);
  }
  return { verdict, more, text, name };
}

/** The same, one slot after the other: what was reserved is given back where the record is refused. */
export async function recordInSteps(
  { parts, submission, settled, instead }: Attempt,
  job: Job,
): Promise<Recorded> {
  const { redis } = parts;
  const { host } = job;
  const deadline = deadlineOf(parts.clock);
  const ledger = [keys.id(submission.id)];
  const value = ledgerValue(host, deadline);
  const bound = await runScript(redis, 'reserveId', ledger, [
    ...[host, instead, value, idSeconds(parts.keepSeconds)],
  ]);
  if (bound !== null) return { verdict: 'taken', more: bound, text: '', name: 'held' };
  const args = [recordArgument(submission, parts, deadline, settled), ...recordFields(job, submission)];
  const [verdict, more = ''] = await runScript(redis, 'recordJob', recordKeys(submission, host), args);
  if (verdict !== 'accepted' && verdict !== 'known') await runScript(redis, 'freeId', ledger, [value, host]);
  return { verdict, more, text: '', name: 'held' };
}

/** A little less than the time after which we give up: what Redis gets to see later must not take place. */
const deadlineOf = (clock: RedisClock) => Math.floor(clock.now() + commandTimeout - 100);

/** Until when the job may still be on its way to the host. */
const ledgerValue = (host: string, deadline: number) => `${host} ${deadline}`;

/** An id is remembered for longer than its job, which counts from its end. */
const idSeconds = (keepSeconds: number) => 2 * keepSeconds + 30 * 24 * 60 * 60;
