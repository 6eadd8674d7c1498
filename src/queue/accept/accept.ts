import { randomUUID } from 'node:crypto';
import { Failure } from '../../jobs/errors.ts';
import { isFinal, type Job } from '../../jobs/job.ts';
import { jobLimits } from '../../jobs/limits.ts';
import { kindOf } from '../../jobs/registry.ts';
import { pause } from '../../lib/async/pause.ts';
import { Counter } from '../../lib/metrics/metric.ts';
import { deleteEntry, type Entry, entrySettled, releaseEntry } from '../directory/entries.ts';
import type { JobRecord } from '../records/job-record.ts';
import { keys, readBinding } from '../redis/keys.ts';
import { type ClaimVerdict, runScript } from '../scripts/run-script.ts';
import type { AcceptParts, Attempt } from './attempt.ts';
import type { PredictedHost } from './host-predictor.ts';
import { claimArgument, creates, directoryKeys, needsName, newJob, recordRequest } from './record-request.ts';
import { sample } from './sample.ts';
import type { Accepted, JobSubmission, Placement } from './submission.ts';

/** Milliseconds to wait for a temporary obstacle to pass, and between two looks at it. */
const retryTimeout = entrySettled + 500;
const retryInterval = 100;

/**
 * Number of hosts, taken at random, to compare for a new name: its cost does not grow with the
 * fleet, and hosts that have less than others still catch up (the power of d choices: Mitzenmacher,
 * IEEE TPDS 12(10), 2001).
 */
const sampleSize = 8;

/** Maximum number of unfinished jobs to look at when there is no room for another one. */
const maxLate = 100;

const predictions = new Counter(
  'geard_accept_guesses_total',
  'Predicted hosts of requests; result: whether the directory confirmed the prediction',
  { result: ['right', 'wrong'] },
);

export const lostDeliveries = new Counter(
  'geard_deliveries_lost_total',
  'Deliveries of jobs that could not be sent; the worker finds such a job within two seconds',
  {},
);

/**
 * The next step: the verdict, or a host to try, or the directory to ask (null); after a pause if
 * `again`.
 */
type Step = Accepted | { host: string | null; again?: boolean };

/**
 * Finds the host for a request, records it there and adds it to the host's queue. For a known or
 * predicted host, that is one round trip: the delivery carries only the id, and the worker drops it
 * if the record does not match, so it can go out at once. Throws `queue_unavailable`.
 */
export async function accept(
  parts: AcceptParts,
  submission: JobSubmission,
  placement: Placement,
): Promise<Accepted> {
  await parts.directorySync.settled();
  const attempt: Attempt = {
    id: randomUUID(),
    parts,
    submission,
    placement,
    candidates: sample(placement.candidates, sampleSize),
    epoch: parts.directorySync.epoch(),
    settled: null,
    voidBinding: '',
    made: null,
    hasLooked: false,
  };
  const until = performance.now() + retryTimeout;
  const first = firstHost(attempt);
  let step: Step = await (first ? recordOn(attempt, first.host).finally(first.settle) : claim(attempt));
  if (first && placement.only === null) predictions.add({ result: 'verdict' in step ? 'right' : 'wrong' });
  while (!('verdict' in step)) {
    if (performance.now() > until)
      throw new Failure('queue_unavailable', 'the name is moving; send the request again');
    if (step.again) await pause(retryInterval);
    step = step.host === null ? await claim(attempt) : await recordOn(attempt, step.host);
  }
  return step;
}

/** The host to try before asking the directory, or null. In a Cluster the directory comes first. */
function firstHost({ parts, submission, placement, candidates }: Attempt): PredictedHost | null {
  const { only } = placement;
  if (needsName(submission) && !parts.atOnce) return null;
  if (only !== null) return { host: only, settle: () => undefined };
  const { type, params } = submission.command;
  return parts.predictor.predict(kindOf(type), params.resource, creates(submission) ? candidates : []);
}

/** Asks the directory for the host that has the name or is to have it. */
async function claim(attempt: Attempt): Promise<Step> {
  const { parts, submission } = attempt;
  const reply = await runScript(parts.redis, 'claimName', directoryKeys(submission), [
    claimArgument(attempt),
  ]);
  if (reply.length === 1) return withoutHost(attempt, reply[0], null);
  const [verdict, host, text] = reply;
  return entered(attempt, verdict, { host, text });
}

/** The directory has the name on a host. */
async function entered(attempt: Attempt, verdict: ClaimVerdict, entry: Entry): Promise<Step> {
  const { only } = attempt.placement;
  if (only !== null && only !== entry.host) return movedOn(attempt, entry);
  if (verdict === 'claimed') attempt.made = entry.text;
  attempt.settled = verdict === 'settled' ? entry.text : null;
  return { host: entry.host };
}

/**
 * Neither the directory nor the host takes the request as it is: looks again, compares all hosts,
 * or refuses it.
 */
async function withoutHost(
  attempt: Attempt,
  verdict: 'lost' | 'crowded' | Refusal,
  tried: string | null,
): Promise<Step> {
  if (verdict === 'lost') return lookAgain(attempt, tried);
  if (verdict !== 'crowded') return refused(attempt, verdict);
  attempt.candidates = attempt.placement.candidates;
  return { host: null };
}

/** Redis is another one, or lost everything: waits until the directory is filled again. */
async function lookAgain(attempt: Attempt, host: string | null): Promise<Step> {
  const { directorySync } = attempt.parts;
  await directorySync.confirmed();
  attempt.epoch = directorySync.epoch();
  return { host };
}

/**
 * The directory names another host than the only one allowed: it may be stale, or about to change.
 */
async function movedOn({ parts: { redis }, submission: { command } }: Attempt, entry: Entry): Promise<Step> {
  const state = await releaseEntry(redis, kindOf(command.type), command.params.resource, entry);
  if (state === 'held') return { verdict: 'elsewhere', host: entry.host };
  return { host: null, again: state === 'busy' };
}

/** Records the request on a host. */
async function recordOn(attempt: Attempt, host: string): Promise<Step> {
  const { parts, submission } = attempt;
  const job = newJob(submission, host, parts.clock.now());
  const { command } = submission;
  const recorded = recordRequest(attempt, job);
  const deliver = () => deliverTo(attempt, host);
  const [{ verdict, more, text, name }] = await Promise.all([recorded, parts.atOnce && deliver()]);
  switch (verdict) {
    case 'accepted':
      if (!parts.atOnce) await deliver();
      parts.predictor.see(kindOf(command.type), job.resource, host);
      return { verdict, job };
    case 'taken':
      return elsewhereInLedger(attempt, host, more);
    case 'elsewhere':
      return entered(attempt, name, { host: more, text });
    case 'free':
      // The host of an old entry does not have the name, so it may go to the host with the most
      // room. The entry stays if another request has relied on it since.
      await takeBack(attempt, text || attempt.settled);
      return { host: null };
    case 'known':
      return known(attempt, host);
    case 'full':
      return full(attempt, job, more);
    default:
      return withoutHost(attempt, verdict, host);
  }
}

/**
 * Adds a job to its host's queue. Skips an offline host, whose queue nobody reads. A lost
 * delivery is no failure: the worker looks at its open jobs every two seconds.
 */
async function deliverTo({ parts, submission, placement }: Attempt, host: string): Promise<void> {
  if (placement.gone.includes(host)) return;
  await parts.deliveries
    .add(host, submission.id, submission.command.type)
    .catch(() => lostDeliveries.add({}));
}

/**
 * The id is bound to another host: to a job there, to one in flight, or to one no longer on record.
 */
async function elsewhereInLedger(attempt: Attempt, tried: string, bound: string): Promise<Step> {
  const { parts, submission } = attempt;
  const { host, until } = readBinding(bound);
  const record = await parts.records.at({ host, id: submission.id });
  if (record) return joined(attempt, record);
  const onItsWay = parts.clock.now() <= until;
  if (!onItsWay) attempt.voidBinding = bound;
  return { host: tried, again: onItsWay };
}

/** The id has a job on the host. */
async function known(attempt: Attempt, host: string): Promise<Step> {
  const { parts, submission } = attempt;
  const record = await parts.records.at({ host, id: submission.id });
  return record ? joined(attempt, record) : { host };
}

/**
 * The host has no room. Jobs that have waited too long for an offline host take room until somebody
 * reads them: reads the oldest ones once, and tries again if one has ended. A live host's worker
 * ends its own.
 */
async function full(attempt: Attempt, { host, type, resource }: Job, limit: string): Promise<Step> {
  const { redis, records } = attempt.parts;
  if (attempt.hasLooked || !attempt.placement.gone.includes(host)) return refused(attempt, 'full', limit);
  attempt.hasLooked = true;
  const line = limit === 'maxJobsPerGear' ? keys.line(host, kindOf(type), resource) : keys.open(host);
  const oldest = await redis.zrange(line, '0', String(maxLate - 1));
  const read = await records.shown(oldest.map((id) => ({ host, id })));
  if (!read.some((record) => record && isFinal(record.job.state))) return refused(attempt, 'full', limit);
  return { host };
}

/** The id already has a job. If that is about another name, undoes the claim on ours. */
async function joined(attempt: Attempt, record: JobRecord): Promise<Step> {
  const { made, submission } = attempt;
  if (record.job.resource !== submission.command.params.resource) await takeBack(attempt, made);
  return { verdict: 'known', record };
}

/** Deletes the name's entry, unless another request has changed it. */
async function takeBack(
  { parts: { redis }, submission: { command } }: Attempt,
  text: string | null,
): Promise<void> {
  if (text !== null) await deleteEntry(redis, kindOf(command.type), command.params.resource, { text }, 0);
}

type Refusal = 'missing' | 'exists' | 'nowhere' | 'late';

/** Rejects a request, and undoes its claim. `limit`: for `full`. */
async function refused(attempt: Attempt, verdict: Refusal | 'full', limit?: string): Promise<Step> {
  await takeBack(attempt, attempt.made);
  if (verdict === 'late')
    throw new Failure('queue_unavailable', 'the queue answered too late; send the request again');
  return verdict === 'full' ? { verdict, limit: jobLimits.keyof().parse(limit) } : { verdict };
}
