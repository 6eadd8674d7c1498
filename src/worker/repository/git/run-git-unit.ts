import { Failure } from '../../../jobs/errors.ts';
import { pause } from '../../../lib/async/pause.ts';
import { gearSlice, jobContainer, jobUnit } from '../../domain/paths.ts';
import { endUnit } from '../../engine/end-unit.ts';
import type { ContainerRun, EngineCommands } from '../../engine/engine.ts';
import { runOfEngine, takenDown } from '../../engine/service.ts';
import { diskIsFull, saysDiskIsFull } from '../../host/files.ts';
import type { HostServices } from '../../host-services.ts';
import type { JobContext } from '../../jobs/context.ts';
import { lastLines } from '../../journald/journal-tail.ts';
import { foreignUnit } from '../../systemd/unit-links.ts';
import { tooManyObjects } from '../clone-limits.ts';
import { createGitProgress, throttled } from './git-progress.ts';

/** Milliseconds between two checks of the unit. */
const lookInterval = 50;
/** Milliseconds between two looks at the size of what git makes. */
const sizeInterval = 2_000;

export interface GitWork {
  /** Returns the container. Not called when joining a unit of an earlier attempt. */
  prepare(): Promise<ContainerRun>;
  /** Whether the preparations of an earlier attempt still exist. */
  isPrepared(): Promise<boolean>;
  /** Rejects when git has made more than it may. Called every few seconds. */
  assertSmall(): Promise<void>;
}

/** git's messages for a full disk; one of them does not mention the disk. */
const outOfRoom = [
  /^(?:fatal|error): .*: (?:No space left on device|Disk quota exceeded)$/,
  /^(?:fatal|error): failed to write new configuration file/,
];
/** Here git repeats what a server says, or what is in the server's objects. */
const byServer = /^(?:fatal|error): (?:remote error: |object [0-9a-f])/;

/**
 * Whether the engine's client or git reports a full disk in this line. git writes over its progress
 * (the journal's carriage returns are replaced); a server's text follows `remote: `.
 */
export function saysNoRoom(engine: Pick<EngineCommands, 'isByClient'>, line: string): boolean {
  if (engine.isByClient(line)) return saysDiskIsFull(line);
  const [own = ''] = line.split('remote: ', 1);
  const parts = own.split('\ufffd').filter((part) => !byServer.test(part));
  return parts.some((part) => outOfRoom.some((message) => message.test(part)));
}

/** The beginning of the descriptions of our units. */
const ours = 'geard: makes the repository ';
/** Names the unit's owner, so that a later attempt of the same job finds it again. */
const describe = (resource: string, job: string) => `${ours}${resource} (job ${job})`;

/**
 * Runs git in its container, in the transient unit `job-<r>.service`, and waits for its end. Joins
 * a unit that an earlier attempt of this job began. Throws `clone_failed` or `timeout`.
 */
export async function runGitUnit(
  { services, job, signal, report }: JobContext,
  resource: string,
  work: GitWork,
): Promise<void> {
  const watching = new AbortController();
  try {
    const engineBefore = await runOfEngine(services);
    await begin(services, resource, job, work);
    await Promise.race([
      untilOver(services, jobUnit(resource), engineBefore, AbortSignal.any([signal, watching.signal])),
      growsTooLarge(work, watching.signal),
      followProgress(services, resource, report, watching.signal),
    ]);
  } finally {
    watching.abort();
  }
}

/** Looks every few seconds at what git has made. Rejects when that is too much; never resolves. */
async function growsTooLarge({ assertSmall }: GitWork, signal: AbortSignal): Promise<never> {
  for (let took = 0; ; ) {
    await pause(Math.min(10 * sizeInterval, Math.max(sizeInterval, 10 * took)), signal);
    const began = performance.now();
    await assertSmall();
    took = performance.now() - began;
  }
}

async function begin(services: HostServices, resource: string, job: string, work: GitWork): Promise<void> {
  const { systemd, engine, repositories } = services;
  const unit = jobUnit(resource);
  const description = describe(resource, job);
  const known = await systemd.state(unit);
  if (known.load !== 'not-found') {
    if (!known.description.startsWith(ours)) throw foreignUnit(unit);
    const isOurs = known.description === description && known.active !== 'failed';
    if (isOurs && (await work.isPrepared())) return;
    await removeUnit(services, resource);
  }
  const afterwards = engine.removeCommand(jobContainer(resource));
  const { seconds } = repositories.limits;
  const command = engine.runCommand(await work.prepare());
  await systemd.runOnce(unit, { description, slice: gearSlice, command, afterwards, seconds });
}

/** A oneshot unit is pending until its program has ended, and active once that succeeded. */
async function untilOver(
  services: HostServices,
  unit: string,
  engineBefore: string | null,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const { active, pending } = await services.systemd.activity(unit);
    if (active === 'active') return;
    if (!pending) throw await gitFailure(services, unit, engineBefore);
    await pause(lookInterval, signal);
  }
}

async function gitFailure(
  services: HostServices,
  unit: string,
  engineBefore: string | null,
): Promise<Failure> {
  const state = await services.systemd.state(unit);
  if (state.result === 'timeout')
    return new Failure('timeout', `git took longer than ${services.repositories.limits.seconds} s`);
  const lines = await lastLines(unit, state.invocation);
  const passing = await takenDown(services, engineBefore);
  if (passing) return passing;
  if (lines.some((line) => saysNoRoom(services.engine, line))) return diskIsFull(new Error(lines.join('\n')));
  // Not git: the engine may have been unable to make the container.
  const explained = services.engine.explainExit(state.mainStatus, lines);
  if (explained instanceof Failure) return explained;
  const said = lines.filter((line) => /^(?:fatal|error|remote|warning): /.test(line));
  const why = said.length > 0 ? said.join('\n') : `git ended with exit status ${state.mainStatus}`;
  return new Failure('clone_failed', why);
}

/**
 * Reports git's own percentages. Rejects when there are more objects than allowed; never resolves.
 */
function followProgress(
  { engine, repositories, log }: HostServices,
  resource: string,
  report: JobContext['report'],
  signal: AbortSignal,
): Promise<never> {
  const { objects } = repositories.limits;
  return new Promise((_, reject) => {
    const tell = throttled(({ phase, percent }) =>
      report({ step: 'clone', message: phase.toLowerCase(), percent }),
    );
    const read = createGitProgress((progress) => {
      if (progress.phase === 'Receiving objects' && progress.total > objects) reject(tooManyObjects(objects));
      tell(progress);
    });
    const follow = async () => {
      const name = jobContainer(resource);
      while (!(await engine.container(name))?.running) await pause(lookInterval, signal);
      await engine.followErrors(name, read, signal);
    };
    follow().catch((error: Error) => {
      if (!signal.aborted) log.debug({ reason: error.message }, 'the progress of git is not known');
    });
  });
}

/**
 * Removes the unit that this job began from systemd, and its container. A unit of another job
 * stays.
 */
export async function stopGitUnit(services: HostServices, resource: string, job: string): Promise<void> {
  const { description } = await services.systemd.state(jobUnit(resource));
  if (description === describe(resource, job)) await removeUnit(services, resource);
}

async function removeUnit(services: HostServices, resource: string): Promise<void> {
  const container = jobContainer(resource);
  await endUnit(services, { unit: jobUnit(resource), container, what: `the repository ${resource}` });
  await services.engine.removeContainer(container);
}
