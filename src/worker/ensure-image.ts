import { Failure } from '../jobs/errors.ts';
import type { JobContext } from './context.ts';
import { mustAllowRegistry } from './registry-address.ts';

/** Makes sure that the image is on the host, pulling it when it is not. */
export async function ensureImage(reference: string, { room, report, signal }: JobContext): Promise<void> {
  const present = await room.docker.image(reference);
  if (present) return;
  await mustAllowRegistry(reference, room.registries);
  report({ step: 'pull', message: `pulling ${reference}`, percent: 0 });
  await room.docker.pull(
    reference,
    ({ message, percent }) => report({ step: 'pull', message, percent }),
    signal,
  );
  const pulled = await room.docker.image(reference);
  if (!pulled)
    throw new Failure('registry_failed', `${reference} was pulled but is not there`, { transient: true });
}
