import { MiB } from '../../jobs/fields/bytes.ts';
import type { Job } from '../../jobs/job.ts';
import { type Command, jobs, kindOf, specOf } from '../../jobs/registry.ts';
import type { GearSpec } from '../../jobs/types/container.ts';
import { entryKeys, entrySettled } from '../directory/entries.ts';
import { commandTimeout } from '../redis/connection.ts';
import { chargeKeys, keys, listKeys } from '../redis/keys.ts';
import { type ClaimVerdict, type Reply, runScript } from '../scripts/run-script.ts';
import type { AcceptParts, Attempt } from './attempt.ts';
import type { GearMemory, JobSubmission } from './submission.ts';

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
  const { parts, submission, candidates, settled, voidBinding } = attempt;
  const { redis, clock, keepSeconds, atOnce, predictor } = parts;
  const { host } = job;
  // A little less than our own timeout: a request that reaches Redis later must have no effect.
  const deadline = Math.floor(clock.now() + commandTimeout - 100);
  const ledger = keys.id(submission.id);
  // Until then the job may still be in flight to the host.
  const value = `${host} ${deadline}`;
  const binding = [voidBinding, value, idSeconds(keepSeconds)];
  if (!atOnce) {
    const bound = await runScript(redis, 'reserveId', [ledger], [host, ...binding]);
    if (bound !== null) return { verdict: 'taken', more: bound, text: '', name: 'held' };
  }
  const fleetKeys = atOnce ? [...directoryKeys(submission), ledger] : [];
  const what = recordArgument(submission, parts, deadline, settled !== null);
  const reply = await runScript(
    redis,
    'accept',
    [...recordKeys(submission, host), ...fleetKeys],
    [host, what, claimArgument(attempt), ...binding, ...recordFields(job, submission)],
  );
  const [verdict, more = '', text = '', name = 'held', compared = []] = reply;
  if (name === 'claimed') {
    const chosen = verdict === 'elsewhere' ? more : host;
    predictor.learn(kindOf(submission.command.type), candidates, compared, chosen);
  }
  if (!atOnce && verdict !== 'accepted' && verdict !== 'known')
    await runScript(redis, 'freeId', [ledger], [value, host]);
  return { verdict, more, text, name };
}

/** Seconds to remember an id: longer than its job, which counts from its end. */
const idSeconds = (keepSeconds: number) => 2 * keepSeconds + 30 * 24 * 60 * 60;

/** Whether a request needs a name in the directory; a request on a host itself does not. */
export const needsName = ({ command }: JobSubmission) => jobs[command.type].needs !== 'host';

/** Whether a request creates its name if there is none. */
export function creates({ command }: JobSubmission): boolean {
  const needs = needsOf(command);
  return needs === 'place' || needs === 'absence';
}

/**
 * The claim on the directory, as JSON; empty if the request needs no name. See
 * scripts/lua/accept/claim-name.lua.
 */
export function claimArgument({ id, submission, placement, candidates, epoch }: Attempt): string {
  if (!needsName(submission)) return '';
  const { command } = submission;
  const { memory, memoryOn, ports } = roomOf(specOf(command), placement.gearMemory);
  return JSON.stringify({
    attempt: id,
    epoch,
    candidates,
    kind: kindOf(command.type),
    resource: command.params.resource,
    creates: creates(submission),
    memory,
    memoryOn: Object.fromEntries(memoryOn),
    ports,
    ...(placement.only === null ? { settled: entrySettled } : { only: placement.only }),
    some: candidates.length < placement.candidates.length,
  });
}

/** The room that a gear needs on its host. */
export interface Room {
  /** MiB, except on the hosts in `memoryOn`. */
  memory: number;
  memoryOn: GearMemory['others'];
  /** External ports. */
  ports: number[];
}

/**
 * The room that a gear needs; without a spec, none. A gear whose spec names no memory gets its
 * host's default.
 */
export function roomOf(spec: GearSpec | undefined, { usual, others }: GearMemory): Room {
  if (spec === undefined) return { memory: 0, memoryOn: new Map(), ports: [] };
  const { memory, ports } = spec;
  const external = ports.flatMap(({ external }) => (external ? [external] : []));
  if (memory === undefined) return { memory: usual, memoryOn: others, ports: external };
  return { memory: Math.ceil(memory / MiB), memoryOn: new Map(), ports: external };
}

/**
 * Seconds that the lifetime of lists allows for a job to run. A longer job enters its lists again
 * at its end.
 */
const day = 24 * 60 * 60;

/** The argument `what` of accept.lua, as JSON. */
export function recordArgument(
  { command, id, tenant, expires }: JobSubmission,
  { limits, keepSeconds }: Pick<AcceptParts, 'limits' | 'keepSeconds'>,
  deadline: number,
  settled: boolean,
): string {
  const { resource } = command.params;
  const seconds = expires + day + keepSeconds;
  const needs = needsOf(command);
  return JSON.stringify({ id, tenant, resource, seconds, deadline, needs, settled, ...limits });
}

function needsOf(command: Command): string {
  if (command.type === 'container.install' && command.params.createOnly) return 'absence';
  return jobs[command.type].needs;
}

export function directoryKeys({ command }: JobSubmission): string[] {
  return [...entryKeys(kindOf(command.type)), keys.epoch];
}

export function recordKeys({ command, id, user }: JobSubmission, host: string): string[] {
  const kind = kindOf(command.type);
  const { resource } = command.params;
  const line = keys.line(host, kind, resource);
  return [
    keys.job(host, id),
    keys.sequence(host),
    keys.open(host),
    line,
    keys.held(host, kind),
    ...chargeKeys(host),
    ...listKeys(host, { user, resource }),
  ];
}

/** `now`: by Redis's clock, which decides when the job expires and how long it has waited. */
export function newJob({ id, command, user }: JobSubmission, host: string, now: number): Job {
  return {
    id,
    type: command.type,
    state: 'queued',
    resource: command.params.resource,
    host,
    user,
    createdAt: new Date(now).toISOString(),
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    progress: null,
    result: null,
    error: null,
  };
}

/** The record's fields, as field, value, … */
export function recordFields(
  job: Job,
  { command, fingerprint, expires, origin = {}, seal }: JobSubmission,
): string[] {
  const { id, type, resource, host, user, createdAt } = job;
  const fields = {
    id,
    type,
    resource,
    host,
    user,
    createdAt,
    expiresAt: String(Date.parse(createdAt) + expires * 1000),
    fingerprint,
    sealed: seal(host),
    v: String(jobs[command.type].since),
    ...origin,
  };
  return Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
}
