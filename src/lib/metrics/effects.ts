import type { Trace } from '../effect.ts';
import { Histogram } from './metric.ts';

/** The systems that carry out effects; see lib/effect.ts. */
const systems = ['redis', 'docker', 'dbus', 'exec', 'disk'];

const effects = new Histogram(
  'geard_effect_duration_seconds',
  'Duration of scripts in Redis, calls to Docker and D-Bus, programs (exec) and writes to the disk',
  { system: systems, outcome: ['done', 'failed'] },
  [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60],
);

/** Counts an effect. `image.…` counts as Docker; files, links, ports and the like as the disk. */
export function countEffect({ effect, ms, outcome }: Trace): void {
  const [first = ''] = effect.split('.', 1);
  const system = systems.includes(first) ? first : first === 'image' ? 'docker' : 'disk';
  effects.observe({ system, outcome: outcome === 'done' ? 'done' : 'failed' }, ms / 1000);
}
