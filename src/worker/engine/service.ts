import { Failure } from '../../jobs/errors.ts';
import type { HostServices } from '../host-services.ts';

type Services = Pick<HostServices, 'systemd' | 'engine'>;

/**
 * The run of the engine's daemon that is up; null while it is down, or is to be stopped or
 * restarted: then what needs it is being stopped with it.
 */
export async function runOfEngine({ systemd, engine }: Services): Promise<string | null> {
  const { active, pending, invocation } = await systemd.activity(engine.service);
  return active === 'active' && !pending ? invocation : null;
}

/**
 * The failure, which passes, of what ran in a container where another run of the engine's daemon
 * is up than before, or none: that has ended it. Else null.
 */
export async function takenDown(services: Services, before: string | null): Promise<Failure | null> {
  const now = await runOfEngine(services);
  if (now !== null && now === before) return null;
  const detail = `${services.engine.name} was stopped or restarted meanwhile`;
  return new Failure('host_unavailable', detail, { transient: true });
}
