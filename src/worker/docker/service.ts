import { Failure } from '../../jobs/errors.ts';
import type { Systemd } from '../systemd/systemd.ts';

const unit = 'docker.service';

/**
 * The run of dockerd that is up; null while it is down, or is to be stopped or restarted: then what needs it is being
 * stopped with it.
 */
export async function runOfDocker(systemd: Systemd): Promise<string | null> {
  const { active, pending, invocation } = await systemd.activity(unit);
  return active === 'active' && !pending ? invocation : null;
}

/** Where another run of dockerd is up than before, or none, what ran in a container was ended by that, which passes. */
export async function takenDownByDocker(systemd: Systemd, before: string | null): Promise<Failure | null> {
  const now = await runOfDocker(systemd);
  if (now !== null && now === before) return null;
  return new Failure('host_unavailable', 'Docker was stopped or restarted meanwhile', { transient: true });
}
