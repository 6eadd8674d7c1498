import { request } from 'node:http';
import { pause } from '../src/lib/async/pause.ts';
import type { LabHost } from './lab/lab-host.ts';

/** A container came up or ended. `at`: milliseconds since the epoch, by Docker's clock. */
export interface ContainerEvent {
  at: number;
  action: 'start' | 'die';
  container: string;
  name: string;
}

/** Follows what Docker says of containers, over its restarts and the host's. */
export interface ContainerWatch {
  since(time: number): ContainerEvent[];
  /** Forgets what is older. */
  forget(before: number): void;
  close(): void;
}

const socket = '/run/docker.sock';
/** Milliseconds until Docker is asked again after it went away. */
const beforeAgain = 50;

interface DockerEvent {
  Action: string;
  timeNano: number;
  Actor: { ID: string; Attributes: { name: string } };
}

export function watchContainers(host: LabHost): ContainerWatch {
  let events: ContainerEvent[] = [];
  let closed = false;
  let last = Date.now();
  const seen = new Set<string>();
  let stop = () => {};

  const take = (line: string) => {
    const { Action, timeNano, Actor } = JSON.parse(line) as DockerEvent;
    const key = `${timeNano} ${Action} ${Actor.ID}`;
    const at = timeNano / 1e6;
    last = Math.max(last, at);
    if (seen.has(key) || (Action !== 'start' && Action !== 'die')) return;
    seen.add(key);
    events.push({ at, action: Action, container: Actor.ID, name: Actor.Attributes.name });
  };

  const follow = () =>
    new Promise<void>((resolve) => {
      const filters = JSON.stringify({ type: ['container'], event: ['start', 'die'] });
      const path = `/events?${new URLSearchParams({ since: String((last - 1_000) / 1_000), filters })}`;
      const asked = request({ path, createConnection: () => host.connect(socket) }, (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => {
          const lines = (text + String(chunk)).split('\n');
          text = lines.pop() ?? '';
          for (const line of lines.filter(Boolean)) take(line);
        });
        answer.on('close', resolve);
      });
      asked.on('error', () => resolve());
      asked.end();
      stop = () => asked.destroy();
    });

  void (async () => {
    while (!closed) {
      // A host that is down has no socket at all.
      await follow().catch(() => undefined);
      await pause(beforeAgain);
    }
  })();

  return {
    since: (time) => events.filter(({ at }) => at >= time),
    forget(before) {
      events = events.filter(({ at }) => at >= before);
      seen.clear();
    },
    close() {
      closed = true;
      stop();
    },
  };
}
