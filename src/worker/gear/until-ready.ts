import { Failure } from '../../jobs/errors.ts';
import { pause } from '../../lib/pause.ts';
import { containerName } from '../domain/paths.ts';
import { listeningPorts } from '../host/listening.ts';
import type { Room } from '../room.ts';
import type { Running } from './run-gear.ts';
import { startFailure } from './start-failure.ts';

/** Milliseconds Docker may take from the start of the unit to a running container. */
const containerDeadline = 60_000;
/** Milliseconds a gear with ports has to listen on them before we say that it runs without. */
const listenGrace = 3_000;
/** Milliseconds a gear without ports has to run before we say that it runs. */
const runGrace = 1_000;
/** Milliseconds between two looks at systemd, for what Docker does not tell us. */
const lookInterval = 200;
/** Milliseconds between two looks at Docker, for an event that got lost. */
const inspectInterval = 1_000;
/** Milliseconds between two looks at what the container listens on. */
const listenInterval = 10;

export interface ReadyWatch {
  /** Resolves when the gear runs. Throws `start_failed` as soon as its process has ended. */
  ready(): Promise<Running>;
  close(): void;
}

/**
 * Watches a gear come up. Must be opened before the unit is started, so that no event is missed; systemd only
 * knows that `docker run` was executed, what counts is the container's own process and what it listens on.
 */
export function untilReady(room: Room, resource: string, ports: number[], signal: AbortSignal): ReadyWatch {
  const { docker, systemd, paths } = room;
  const name = containerName(resource);
  const unit = paths.unitName(resource);
  let started = '';
  let ended = false;
  let wake = () => {};
  const unwatch = docker.onContainerEvent((event) => {
    if (event.name !== name) return;
    if (event.action === 'start') started = event.id;
    // A restart ends the container that ran before, too.
    if (event.action === 'die' && event.id === started) ended = true;
    wake();
  });

  /** Resolves at the next event of the container, or after so long. */
  const news = async (milliseconds: number) => {
    const event = new Promise<void>((resolve) => {
      wake = resolve;
    });
    await Promise.race([event, pause(milliseconds, signal)]);
  };

  /** Throws when the unit no longer does what it was started for. */
  const mustBeUp = async () => {
    const { active, sub } = await systemd.activity(unit);
    if (ended || sub === 'auto-restart' || (active !== 'active' && active !== 'activating')) {
      throw await startFailure(room, resource);
    }
  };

  const running = async () => {
    const until = Date.now() + containerDeadline;
    // The first look finds what has been running all along.
    let nextInspection = 0;
    while (Date.now() < until) {
      if (started || Date.now() >= nextInspection) {
        nextInspection = Date.now() + inspectInterval;
        const container = await docker.container(name);
        if (container?.running) return container;
      }
      await mustBeUp();
      await news(lookInterval);
    }
    throw new Failure('timeout', `Docker did not start the container within ${containerDeadline / 1000} s`);
  };

  const listening = async (pid: number): Promise<number[]> => {
    const until = Date.now() + (ports.length > 0 ? listenGrace : runGrace);
    for (;;) {
      const silent = ports.length > 0 ? await silentPorts(pid, ports) : [];
      const waitedEnough = Date.now() >= until;
      if (waitedEnough || (ports.length > 0 && silent.length === 0)) return silent;
      if (ended) throw await startFailure(room, resource);
      await news(ports.length > 0 ? listenInterval : lookInterval);
    }
  };

  return {
    async ready() {
      const container = await running();
      const silent = await listening(container.pid);
      await mustBeUp();
      return { container: container.id, silentPorts: silent };
    },
    close: unwatch,
  };
}

async function silentPorts(pid: number, ports: number[]): Promise<number[]> {
  const open = await listeningPorts(pid);
  return ports.filter((port) => !open.has(port));
}
