import type { Trace } from '../effect.ts';
import { Histogram } from './metric.ts';

/** What effects are carried out by; see lib/effect.ts. */
const systems = ['redis', 'docker', 'dbus', 'exec', 'disk'];

const effects = new Histogram(
  'geard_effect_duration_seconds',
  'Time of scripts in Redis, calls to Docker and D-Bus, programs (exec) and writes to the disk',
  { system: systems, outcome: ['done', 'failed'] },
  [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60],
);

/**
 * Counts an effect. Those of images and containers are Docker's, those of files, links and the like
 * the disk's.
 */
export function countEffect({ effect, ms, outcome }: Trace): void {
  const [first = ''] = effect.split('.', 1);
  const system = systems.includes(first) ? first : first === 'image' ? 'docker' : 'disk';
  effects.observe({ system, outcome: outcome === 'done' ? 'done' : 'failed' }, ms / 1000);
}
