import { parseTime } from '../lab/real-time.ts';
import { becomesJob, type Operation, resourceOf, tell } from '../plan/operation.ts';
import { apply, copyOf, isThere, type World } from '../plan/world.ts';
import { drainsOf, mayHaveMet, mustHaveMet } from './drains.ts';
import type { Done, Request } from './request.ts';
import { type Violation, violation } from './violation.ts';

export interface Folded {
  violations: Violation[];
  /** How often each gear's container must have been started, and may have been. */
  starts: Map<string, { least: number; most: number }>;
  /** Whether there was a resource, and since when (milliseconds since the epoch). */
  presence: Map<string, { at: number; exists: boolean }[]>;
}

/**
 * Carries the jobs of a round out in the world, in the order in which they ended; jobs on one resource never overlap, so
 * that it is the order in which they ran. `tolerates`: which errors a fault of this round explains.
 */
export function fold(
  world: World,
  requests: readonly Request[],
  tolerates: (code: string) => boolean,
): Folded {
  const folded: Folded = { violations: [], starts: new Map(), presence: presenceOf(world, requests) };
  const done = requests
    .flatMap(({ sent, job }) =>
      job?.finishedAt ? [{ sent, job, ended: parseTime(job.finishedAt) }] : ([] as Done[]),
    )
    .sort((one, other) => one.ended - other.ended);
  for (const one of done) {
    if (one.job.state === 'succeeded') succeed(world, one, done, folded);
    else if (one.job.state === 'failed') fail(world, one, done, folded, tolerates);
    else cancel(world, one, requests, folded);
    const resource = resourceOf(one.sent.operation);
    folded.presence.get(resource)?.push({ at: one.ended, exists: isThere(world, resource) });
  }
  folded.violations.push(...outOfOrder(done));
  return folded;
}

function succeed(world: World, one: Done, done: readonly Done[], folded: Folded): void {
  const { operation } = one.sent;
  if (isNew(world, one) && drainsOf(done).some((drain) => mustHaveMet(one, drain)))
    folded.violations.push(violation('wrong', `${tellEnd(one)}, though its host was draining`));
  const effect = apply(world, operation);
  world.places.set(resourceOf(operation), one.job.host);
  const hasRaced = raced(one, done);
  // It runs with the environment as it was before; the next installation has it run with the new one.
  const gear = hasRaced ? world.gears.get(operation.name) : undefined;
  if (gear) gear.stale = true;
  // An installation may see the environment before the job that changes it has ended, also where it is begun again.
  const anew = hasRaced ? 1 : 0;
  if ('starts' in effect) allow(folded, operation.name, effect.starts, effect.atMost + anew);
  else if (!hasRaced)
    folded.violations.push(violation('wrong', `${tellEnd(one)}, though it was to fail as ${effect.refused}`));
}

function fail(
  world: World,
  one: Done,
  done: readonly Done[],
  folded: Folded,
  tolerates: (code: string) => boolean,
): void {
  const code = one.job.error?.code ?? 'none';
  const effect = apply(copyOf(world), one.sent.operation);
  const expected = 'refused' in effect && effect.refused === code;
  const { operation } = one.sent;
  // It was refused before it did anything.
  if (code === 'no_host' && isNew(world, one) && drainsOf(done).some((drain) => mayHaveMet(one, drain)))
    return;
  const fails = operation.kind === 'install' && operation.spec.fails && code === 'start_failed';
  if (fails && (expected || raced(one, done))) takenBack(world, one, folded);
  else if (expected || (code === 'environment_not_found' && raced(one, done))) return;
  else {
    if (!tolerates(code)) folded.violations.push(violation('failed', tellEnd(one)));
    cutShort(world, one, folded);
  }
}

function cancel(world: World, one: Done, requests: readonly Request[], folded: Folded): void {
  const { id } = one.sent.operation;
  const superseded = one.job.result !== null;
  const asked = requests.some(
    ({ sent: { operation } }) => operation.kind === 'cancel' && operation.target === id,
  );
  if (!superseded && !asked)
    folded.violations.push(violation('failed', `${tellEnd(one)}, and nobody asked for it`));
  cutShort(world, one, folded);
}

/** Whether it makes something that is not there. */
const isNew = (world: World, { sent: { operation } }: Done) =>
  /^(install|replace|repository|copy)$/.test(operation.kind) && !isThere(world, resourceOf(operation));

/** What did not come to its end leaves the state before; whether the gear runs is known of an installation only. */
function cutShort(world: World, { sent: { operation }, job }: Done, folded: Folded): void {
  if (job.startedAt === null) return;
  const gear = world.gears.get(operation.name);
  if (gear && /^(start|stop|restart)$/.test(operation.kind))
    gear.unsure = { running: true, enabled: true, mark: true };
  // What ran on after an update that started nothing is started as it is written, where this has stopped it.
  if (gear && operation.kind === 'install') gear.unsure.mark = true;
  if (resourceOf(operation).startsWith('gear')) allow(folded, operation.name, 0, mostStarts(operation));
}

/** A job that is taken back may have started its own version and the one before; what fails systemd may start more than once. */
const mostStarts = (operation: Operation) => (operation.kind === 'install' && operation.spec.fails ? 4 : 2);

/** What did not start leaves the version before, which runs again if it ran. */
function takenBack(world: World, { sent: { operation } }: Done, folded: Folded): void {
  const gear = world.gears.get(operation.name);
  if (gear?.running) gear.runs = gear.spec.mark;
  allow(folded, operation.name, 0, mostStarts(operation));
}

/** Whether an environment was made while what uses it was installed. */
function raced({ sent: { operation }, job }: Done, done: readonly Done[]): boolean {
  if (operation.kind !== 'install') return false;
  const resource = `environment ${operation.spec.environment}`;
  const began = parseTime(job.startedAt ?? job.createdAt);
  return done.some(({ sent, ended }) => resourceOf(sent.operation) === resource && ended >= began);
}

function allow({ starts }: Folded, name: string, least: number, most: number): void {
  const before = starts.get(name) ?? { least: 0, most: 0 };
  starts.set(name, { least: before.least + least, most: before.most + most });
}

/** What was acknowledged before another was sent must not end after it. */
function outOfOrder(done: readonly Done[]): Violation[] {
  const ran = done.filter(({ job }) => job.startedAt !== null && job.state !== 'cancelled');
  return ran.flatMap((second, i) =>
    ran
      .slice(0, i)
      .filter((first) => resourceOf(first.sent.operation) === resourceOf(second.sent.operation))
      .filter((first) => second.sent.answeredAt < first.sent.sentAt)
      .map((first) =>
        violation('disordered', `${tell(first.sent.operation)} before ${tell(second.sent.operation)}`),
      ),
  );
}

const tellEnd = ({ sent, job: { state, error } }: Done) =>
  `${tell(sent.operation)}: ${state}${error ? ` ${error.code} (${error.detail})` : ''}`;

function presenceOf(world: World, requests: readonly Request[]): Folded['presence'] {
  const operations = requests.map(({ sent }) => sent.operation).filter(becomesJob);
  const resources = new Set(operations.map(resourceOf));
  return new Map([...resources].map((resource) => [resource, [{ at: 0, exists: isThere(world, resource) }]]));
}
