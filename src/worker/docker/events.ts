import { createInterface } from 'node:readline';
import type Dockerode from 'dockerode';
import type { Logger } from 'pino';
import { z } from 'zod';
import { pause } from '../../lib/async/pause.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { ContainerEvent } from '../engine/engine.ts';
import { gearLabel } from './labels.ts';

const actions = ['start', 'die', 'destroy'] as const;

const event = z.object({
  Action: z.enum(actions),
  Actor: z.object({ ID: z.string(), Attributes: z.object({ name: z.string() }) }),
});

const reconnectDelay = 500;

/** One stream of events for the whole worker, reopened whenever the engine was away. */
export function followEvents(docker: Dockerode, log: Logger) {
  const listeners = new Set<(event: ContainerEvent) => void>();
  const stop = new AbortController();

  const follow = async () => {
    const filters = { type: ['container'], event: [...actions], label: [gearLabel] };
    const stream = await docker.getEvents({ filters: JSON.stringify(filters), abortSignal: stop.signal });
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      const parsed = event.safeParse(parseJson(line));
      if (!parsed.success) continue;
      const { Action: action, Actor } = parsed.data;
      for (const listener of listeners) listener({ id: Actor.ID, name: Actor.Attributes.name, action });
    }
  };

  const followForEver = async () => {
    while (!stop.signal.aborted) {
      try {
        await follow();
      } catch (error) {
        if (!stop.signal.aborted)
          log.debug({ reason: (error as Error).message }, 'Docker events cannot be received; reconnecting');
      }
      await pause(reconnectDelay, stop.signal).catch(() => undefined);
    }
  };
  void followForEver();

  return {
    listen(listener: (event: ContainerEvent) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: () => stop.abort(),
  };
}
