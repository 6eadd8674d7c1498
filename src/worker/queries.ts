import { z } from 'zod';
import { allowsResource } from '../jobs/access/patterns.ts';
import { checked } from '../jobs/checked.ts';
import { resourceName } from '../jobs/fields/identifier.ts';
import { requestId } from '../jobs/fields/request-id.ts';
import { maxListed } from '../jobs/rpc/queries.ts';
import { Limiter, shared } from '../lib/async/limiter.ts';
import { shareCalls } from '../lib/async/share-calls.ts';
import type { Asking, QueryHandlers, WorkerQueue } from '../queue/worker-queue.ts';
import type { OrderName } from '../requests/order.ts';
import type { AuthorizedRead, Authorizer } from './authorization.ts';
import { detectDrift } from './drift/detect-drift.ts';
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
  /** Aborts a job; returns whether it is in this process. */
  cancel(id: string): boolean;
  queue: Pick<WorkerQueue, 'records' | 'relay'>;
  sources: Sources;
}

/**
 * The queries that this worker answers. Each carries the client's own sealed request, and the
 * worker authorizes it again.
 */
export function createQueryHandlers(parts: QueryHandlerParts): QueryHandlers {
  const { services, authorizer, cancel, queue, sources } = parts;
  const { limits } = services;
  const unitStates = shareCalls(() => readUnitStates(services), 0);
  const turns = new Limiter(shared(limits.maxAnswers));
  /**
   * Answers an authorized request when its user's turn comes. Rejects with the signal's reason when
   * the caller has left: a read that hangs must not keep its slot.
   */
  const inTurn =
    <N extends OrderName, T>(name: N, answer: (read: AuthorizedRead<N>, args: unknown) => Promise<T>) =>
    async (sealed: string, args: unknown, asking: Asking) => {
      const read = await authorizer.order(sealed, name);
      asking.log = asking.log.child(read.owner);
      const { signal } = asking;
      return turns.run(read.tenant, () => Promise.race([answer(read, args), rejectOn(signal)]), signal);
    };
  return {
    'stream.open': async (sealed, args, asking) => {
      const stream = await authorizer.stream(sealed);
      asking.log = asking.log.child(stream.owner);
      const { id, how } = checked(aboutStream, args, notValid);
      const abort = new AbortController();
      const { head, body } = await sources.open(stream, how, abort.signal);
      queue
        .relay(id, body, (reason) => abort.abort(reason))
        .catch((error: Error) => asking.log.debug({ reason: error.message }, 'a stream was broken off'));
      return { head };
    },
    'container.read': inTurn('container.read', async ({ order: { wants, scope }, seal }) =>
      seal(await showGear(services, wants.resource, scope.values ?? false)),
    ),
    'container.list': inTurn('container.list', async ({ order: { scope } }, args) => {
      const { names } = checked(listed, args, notValid);
      const visible = names.filter((name) => allowsResource(scope.r, name));
      return showGears(services, visible, await unitStates());
    }),
    'environment.read': inTurn('environment.read', async ({ order: { wants }, seal }) =>
      seal(await readEnvironment(services.paths, wants.resource)),
    ),
    'drift.read': inTurn('drift.read', async () => detectDrift(services)),
    'job.cancel': async (sealed, args) => {
      const { id } = checked(aboutJob, args, notValid);
      const record = await queue.records.read(id);
      const may = record !== null && (await authorizer.cancels(sealed, record));
      return { aborting: may && cancel(id) };
    },
  };
}

const rejectOn = (signal: AbortSignal) =>
  new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
  );

const notValid = () => 'the query is not valid';
