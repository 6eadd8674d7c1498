import type { Logger } from 'pino';
import { z } from 'zod';
import { seesResource } from '../jobs/access/scope.ts';
import { Failure } from '../jobs/errors.ts';
import { resourceName } from '../jobs/fields/identifier.ts';
import { requestId } from '../jobs/fields/request-id.ts';
import { maxListed } from '../jobs/rpc/queries.ts';
import { Limiter, shared } from '../lib/async/limiter.ts';
import { shareCalls } from '../lib/async/share-calls.ts';
import type { JobRecord, QueryHandlers, WorkerQueue } from '../queue/worker-queue.ts';
import type { OrderName, OrderOf } from '../requests/order.ts';
import type { Authorizer } from './authorization.ts';
import { lookForDrift } from './drift/look.ts';
import { readEnvironment } from './environment/environment-files.ts';
import { readUnitStates, showGear, showGears } from './gear/read-gear.ts';
import type { HostServices } from './host-services.ts';
import type { Sources } from './streams/open-source.ts';

const listed = z.strictObject({ names: z.array(resourceName).max(maxListed) });
const aboutJob = z.strictObject({ id: requestId });
const aboutStream = z.strictObject({ id: z.uuid(), how: z.object({}).loose() });

export interface QueryHandlerParts {
  services: HostServices;
  authorizer: Authorizer;
  /** Aborts a job that runs; returns whether it does. */
  cancel(id: string): boolean;
  readJob(id: string): Promise<JobRecord | null>;
  sources: Sources;
  /** Sends a stream through Redis; see queue/rpc/stream-relay.ts. */
  relay: WorkerQueue['relay'];
  /** Reads at a time. */
  maxAnswers: number;
  log: Logger;
}

/** The queries that this worker answers. Each comes with the client's own sealed request, which is authorized here again. */
export function createQueryHandlers(parts: QueryHandlerParts): QueryHandlers {
  const { services, authorizer, cancel, readJob, sources, relay, maxAnswers, log } = parts;
  const unitStates = shareCalls(() => readUnitStates(services), 0);
  const turns = new Limiter(shared(maxAnswers));
  /** An answer to a request that may be made, when its user's turn has come; none when nobody waits for it any more. */
  const inTurn =
    <N extends OrderName, T>(name: N, answer: (order: OrderOf<N>, args: unknown) => Promise<T>) =>
    async (sealed: string, args: unknown, signal: AbortSignal) => {
      const { order, tenant } = await authorizer.order(sealed, [name]);
      const release = await turns.wait(tenant, signal);
      // Nobody waits for it any more: what hangs must not take the place of others.
      signal.addEventListener('abort', release, { once: true });
      return answer(order, args).finally(release);
    };
  return {
    'stream.open': async (sealed, args) => {
      const { name, tenant, wants, send } = await authorizer.stream(sealed);
      const { id, how } = checked(aboutStream, args);
      const abort = new AbortController();
      const { head, body } = await sources.open(name, { ...how, ...wants }, tenant, abort.signal);
      relay(id, send(body), (reason) => abort.abort(reason)).catch((error: Error) =>
        log.debug({ reason: error.message }, 'a stream was broken off'),
      );
      return { head };
    },
    'container.read': inTurn('container.read', async ({ wants, scope }) =>
      showGear(services, wants.resource, scope.values ?? false),
    ),
    'container.list': inTurn('container.list', async ({ scope }, args) => {
      const { names } = checked(listed, args);
      const visible = names.filter((name) => seesResource(scope, name));
      return showGears(services, visible, await unitStates());
    }),
    'environment.read': inTurn('environment.read', async ({ wants }) =>
      readEnvironment(services.paths, wants.resource),
    ),
    'drift.read': inTurn('drift.read', async () => lookForDrift(services)),
    'job.cancel': async (sealed, args) => {
      const { id } = checked(aboutJob, args);
      const record = await readJob(id);
      const may = record !== null && (await authorizer.cancels(sealed, record));
      return { aborting: may && cancel(id) };
    },
  };
}

function checked<T extends z.ZodType>(schema: T, args: unknown): z.infer<T> {
  const parsed = schema.safeParse(args);
  if (!parsed.success) throw new Failure('invalid_request', 'the query is not valid');
  return parsed.data;
}
