import type { Logger } from 'pino';
import { z } from 'zod';
import { Failure } from '../jobs/errors.ts';
import { resourceName } from '../jobs/identifier.ts';
import type { Answers, WorkerQueue } from '../queue/open-worker-queue.ts';
import { readEnvironment } from './environment/environment-files.ts';
import { showGear, showGears } from './gear/read-gear.ts';
import type { Room } from './room.ts';
import type { Sources } from './streams/open-source.ts';

const aboutResource = z.strictObject({ resource: resourceName });
const aboutJob = z.strictObject({ id: z.string().regex(/^[0-9a-f]{32}$/) });

const aboutStream = z.strictObject({ id: z.uuid(), name: z.string().max(64), args: z.unknown() });

export interface AnswerParts {
  room: Room;
  /** Aborts a job that runs; returns whether it does. */
  cancel(id: string): boolean;
  sources: Sources;
  /** Sends a stream through Redis; see queue/relay.ts. */
  relay: WorkerQueue['relay'];
  log: Logger;
}

/** What an api may ask this worker. Questions come through Redis: their arguments are checked here. */
export function createAnswers({ room, cancel, sources, relay, log }: AnswerParts): Answers {
  return {
    'stream.open': async (args) => {
      const { id, name, args: wanted } = checked(aboutStream, args);
      const abort = new AbortController();
      const { head, body } = await sources.open(name, wanted, abort.signal);
      relay(id, body, (reason) => abort.abort(reason)).catch((error: Error) =>
        log.debug({ reason: error.message }, 'a stream was broken off'),
      );
      return { head };
    },
    'container.read': (args) => showGear(room, checked(aboutResource, args).resource),
    'container.list': () => showGears(room),
    'environment.read': (args) => readEnvironment(room.paths, checked(aboutResource, args).resource),
    'job.cancel': async (args) => ({ aborting: cancel(checked(aboutJob, args).id) }),
  };
}

function checked<T extends z.ZodType>(schema: T, args: unknown): z.infer<T> {
  const parsed = schema.safeParse(args);
  if (!parsed.success) throw new Failure('invalid_request', 'the question is not valid');
  return parsed.data;
}
