import { Failure } from '../../../jobs/errors.ts';
import type { PublishedPort } from '../../../jobs/types/container.ts';
import { pause } from '../../../lib/async/pause.ts';
import { containerName } from '../../domain/paths.ts';
import type { GearUnit } from '../../domain/unit-file.ts';
import type { ContainerEngine, ContainerState } from '../../engine/engine.ts';
import { reachablePorts } from '../../host/listening.ts';
import type { JobContext } from '../../jobs/context.ts';
import type { StartSymptom } from './start-failure.ts';

/** Timeout from the start of the unit to a running container, in milliseconds. */
const containerDeadline = 60_000;
/** Milliseconds a gear without ports must run before it counts as running. */
const runGrace = 1_000;
/** Milliseconds between two checks of systemd, for changes that the engine does not report. */
const lookInterval = 200;
/** Milliseconds between two checks of the engine, for a lost event. */
const inspectInterval = 1_000;
/** Milliseconds between two checks of the ports that the container listens on. */
const listenInterval = 10;
/** Milliseconds between two reports of the ports that the job waits for. */
const tellInterval = 5_000;

export interface ReadyWatch {
  /**
   * Resolves with the container's id when the gear runs and listens. Throws `start_failed` as soon
   * as its process has ended.
   */
  ready(): Promise<string>;
  close(): void;
}

export interface Readiness extends Pick<JobContext, 'services' | 'report' | 'signal'> {
  gear: Pick<GearUnit, 'resource' | 'ports'>;
  /** Seconds the gear may take to listen on its ports. */
  seconds: number;
  /** Called when its container runs, before the wait for its ports. */
  onRunning(): void;
  /** Why the gear does not run. */
  failure(symptom: StartSymptom): Promise<Failure>;
}

/**
 * Watches a gear come up. Open it before the unit starts, so that no event is missed. systemd only
 * knows that it executed the engine's client; the container's own process and the ports it listens
 * on count.
 */
export function watchStart(readiness: Readiness): ReadyWatch {
  const { services, gear, failure, signal } = readiness;
  const { engine, systemd, paths } = services;
  const name = containerName(gear.resource);
  const { ended, hasNews, news, close } = watchEvents(engine, name, signal);
  let watched = '';

  /** Throws when the unit is no longer up. */
  const assertUp = async () => {
    const { active, sub } = await systemd.activity(paths.unitName(gear.resource));
    if (ended.has(watched) || sub === 'auto-restart' || (active !== 'active' && active !== 'activating'))
      throw await failure({});
  };

  const running = async (): Promise<ContainerState> => {
    const until = performance.now() + containerDeadline;
    // The first check finds a container that has been running all along.
    for (let nextInspection = 0; performance.now() < until; ) {
      if (hasNews() || performance.now() >= nextInspection) {
        nextInspection = performance.now() + inspectInterval;
        const container = await engine.container(name);
        if (container?.running && !ended.has(container.id)) return container;
      }
      await assertUp();
      await news(lookInterval);
    }
    throw new Failure(
      'timeout',
      `${engine.name} did not start the container within ${containerDeadline / 1000} s`,
    );
  };

  /** Without ports there is nothing to check: the process must run for a moment. */
  const survives = async () => {
    const until = performance.now() + runGrace;
    while (performance.now() < until && !ended.has(watched)) await news(lookInterval);
  };

  const listens = async ({ pid }: ContainerState) => {
    const waiting = createWaiting(readiness);
    for (let nextLook = 0; ; ) {
      const looked = performance.now();
      const silent = await silentPorts(pid, gear.ports);
      const took = performance.now() - looked;
      if (silent.length === 0) return;
      if (waiting.isOver()) throw await failure({ silence: waiting.tooLong(silent) });
      waiting.tell(silent);
      if (ended.has(watched) || performance.now() >= nextLook) {
        nextLook = performance.now() + inspectInterval;
        await assertUp();
      }
      // Of a gear with many listeners a look takes long.
      await news(Math.min(1_000, Math.max(listenInterval, 20 * took)));
    }
  };

  return {
    async ready() {
      const container = await running();
      watched = container.id;
      readiness.onRunning();
      await (gear.ports.length > 0 ? listens(container) : survives());
      await assertUp();
      return container.id;
    },
    close,
  };
}

/** Follows the events of the containers with a name. */
function watchEvents(engine: ContainerEngine, name: string, signal: AbortSignal) {
  // A restart ends the earlier container, and systemd may just have tried again by itself.
  const ended = new Set<string>();
  let isNew = true;
  let wake = () => {};
  const close = engine.onContainerEvent((event) => {
    if (event.name !== name) return;
    if (event.action === 'die') ended.add(event.id);
    isNew = true;
    wake();
  });
  return {
    /** Ids of the containers that have ended. */
    ended,
    /** Whether anything has happened since the last call; true at first. */
    hasNews() {
      const was = isNew;
      isNew = false;
      return was;
    },
    /** Resolves at the next event, or after this time. */
    async news(milliseconds: number) {
      const event = new Promise<void>((resolve) => {
        wake = resolve;
      });
      await Promise.race([event, pause(milliseconds, signal)]);
    },
    close,
  };
}

/** Limits the wait for ports, and reports it. */
function createWaiting({ seconds, report }: Readiness) {
  const until = performance.now() + seconds * 1000;
  let nextTold = performance.now() + tellInterval / 5;
  const named = (ports: number[]) => `${ports.length === 1 ? 'port' : 'ports'} ${ports.join(', ')}`;
  return {
    isOver: () => performance.now() >= until,
    tell(ports: number[]) {
      if (performance.now() < nextTold) return;
      nextTold = performance.now() + tellInterval;
      const left = Math.ceil((until - performance.now()) / 1000);
      report({
        step: 'ready',
        message: `waiting until the gear listens on ${named(ports)} inside; ${left} s left`,
      });
    },
    tooLong: (ports: number[]) =>
      `nothing listens on ${named(ports)} inside after ${seconds} s, loopback aside`,
  };
}

async function silentPorts(pid: number, ports: PublishedPort[]): Promise<number[]> {
  const open = await reachablePorts(pid);
  return ports.map(({ internal }) => internal).filter((port) => !open.has(port));
}
