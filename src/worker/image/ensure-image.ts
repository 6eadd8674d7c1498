import { Failure } from '../../jobs/errors.ts';
import type { JobContext } from '../jobs/context.ts';
import { assertRegistryAllowed } from './registry-address.ts';

/** Ensures that the image is on the host. Pulls it if it is missing, when its user's turn comes. */
export async function ensureImage(reference: string, context: JobContext): Promise<void> {
  const { services, tenant, report, signal } = context;
  const { engine, log } = services;
  if (await engine.image(reference)) return;
  await assertRegistryAllowed(reference, services.registries);
  report({ step: 'pull', message: `pulling ${reference}`, percent: 0 });
  const pull = () =>
    engine
      .pull(reference, (progress) => report({ step: 'pull', ...progress }), signal)
      .catch((error) => {
        // The client does not see the registry's message.
        if (!signal.aborted) log.warn({ image: reference, err: error }, 'an image could not be pulled');
        throw error;
      });
  await services.pulls.run(tenant, pull, signal);
  if (!(await engine.image(reference)))
    throw new Failure('registry_failed', `${reference} was pulled but is not there`, { transient: true });
}
