import { Failure } from '../../jobs/errors.ts';
import type { JobContext } from '../jobs/context.ts';
import { mustAllowRegistry } from './registry-address.ts';

/** Makes sure that the image is on the host, pulling it when it is not and it is its user's turn. */
export async function ensureImage(reference: string, context: JobContext): Promise<void> {
  const { room, tenant, report, signal } = context;
  const present = await room.docker.image(reference);
  if (present) return;
  await mustAllowRegistry(reference, room.registries);
  report({ step: 'pull', message: `pulling ${reference}`, percent: 0 });
  const pull = () =>
    room.docker.pull(reference, ({ message, percent }) => report({ step: 'pull', message, percent }), signal);
  await room.pulls.run(tenant, pull, signal);
  const pulled = await room.docker.image(reference);
  if (!pulled)
    throw new Failure('registry_failed', `${reference} was pulled but is not there`, { transient: true });
}
