import type { Logger } from 'pino';
import { z } from 'zod';
import { Failure } from '../jobs/errors.ts';
import { maxListed } from '../jobs/gear.ts';
import { resourceName } from '../jobs/identifier.ts';
import { requestId } from '../jobs/request-id.ts';
import { shareCalls } from '../lib/share-calls.ts';
import type { Answers, JobRecord, WorkerQueue } from '../queue/open-worker-queue.ts';
import { seesResource } from '../requests/scope.ts';
import { lookForDrift } from './drift/look.ts';
import { readEnvironment } from './environment/environment-files.ts';
import type { Gate } from './gate.ts';
import { readUnitStates, showGear, showGears } from './gear/read-gear.ts';
import type { Room } from './room.ts';
import type { Sources } from './streams/open-source.ts';

const listed = z.strictObject({ names: z.array(resourceName).max(maxListed) });
const aboutJob = z.strictObject({ id: requestId });
const aboutStream = z.strictObject({ id: z.uuid(), how: z.object({}).loose() });

export interface AnswerParts {
  room: Room;
  gate: Gate;
  /** Aborts a job that runs; returns whether it does. */
  cancel(id: string): boolean;
  readJob(id: string): Promise<JobRecord | null>;
  sources: Sources;
  /** Sends a stream through Redis; see queue/relay.ts. */
  relay: WorkerQueue['relay'];
  log: Logger;
}

/** What an api may ask this worker. What about is in the client's request, which the gate lets pass or not. */
export function createAnswers({ room, gate, cancel, readJob, sources, relay, log }: AnswerParts): Answers {
  const unitStates = shareCalls(() => readUnitStates(room), 0);
  return {
    'stream.open': async (sealed, args) => {
      const { name, wants, send } = await gate.stream(sealed);
      const { id, how } = checked(aboutStream, args);
      const abort = new AbortController();
      const { head, body } = await sources.open(name, { ...how, ...wants }, abort.signal);
      relay(id, send(body), (reason) => abort.abort(reason)).catch((error: Error) =>
        log.debug({ reason: error.message }, 'a stream was broken off'),
      );
      return { head };
    },
    'container.read': async (sealed) => {
      const { wants, scope } = await gate.order(sealed, ['container.read']);
      return showGear(room, wants.resource, scope.values ?? false);
    },
    'container.list': async (sealed, args) => {
      const { scope } = await gate.order(sealed, ['container.list']);
      const { names } = checked(listed, args);
      const visible = names.filter((name) => seesResource(scope, name));
      return showGears(room, visible, await unitStates());
    },
    'environment.read': async (sealed) => {
      const { wants } = await gate.order(sealed, ['environment.read']);
      return readEnvironment(room.paths, wants.resource);
    },
    'drift.read': async (sealed) => {
      await gate.order(sealed, ['drift.read']);
      return lookForDrift(room);
    },
    'job.cancel': async (sealed, args) => {
      const { id } = checked(aboutJob, args);
      const record = await readJob(id);
      const may = record !== null && (await gate.cancels(sealed, record));
      return { aborting: may && cancel(id) };
    },
  };
}

function checked<T extends z.ZodType>(schema: T, args: unknown): z.infer<T> {
  const parsed = schema.safeParse(args);
  if (!parsed.success) throw new Failure('invalid_request', 'the question is not valid');
  return parsed.data;
}
