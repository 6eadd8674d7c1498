import { type Failure, hostUnavailable } from '../../jobs/errors.ts';
import type { HostServices } from '../host-services.ts';

type Services = Pick<HostServices, 'systemd' | 'engine'>;

/**
 * The current run of the engine's daemon. Null while it is down, or about to stop or restart:
 * systemd then stops the units that require it, too.
 */
export async function runOfEngine({ systemd, engine }: Services): Promise<string | null> {
  const { active, pending, invocation } = await systemd.activity(engine.service);
  return active === 'active' && !pending ? invocation : null;
}

/**
 * Returns a transient failure when the engine's daemon is down or in another run than before: that
 * ended its containers. Otherwise returns null.
 */
export async function takenDown(services: Services, before: string | null): Promise<Failure | null> {
  const now = await runOfEngine(services);
  if (now !== null && now === before) return null;
  return hostUnavailable(`${services.engine.name} was stopped or restarted meanwhile`);
}
