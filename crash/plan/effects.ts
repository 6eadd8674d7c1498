import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OperationKind } from './operation.ts';

/** An effect of geard's (src/lib/effect.ts) that a round may pass. */
export interface EffectPoint {
  name: string;
  /** The operations that pass it. */
  by: readonly OperationKind[];
  /** How often a round passes it, about. */
  most: number;
}

const onRepositories = ['repository', 'copy'] as const;
const jobs = [
  ...['install', 'start', 'stop', 'restart', 'remove', 'replace', 'merge'],
  ...onRepositories,
] as readonly OperationKind[];
const onGears = ['install', 'start', 'stop', 'restart', 'remove'] as const;

const points = (names: readonly string[], by: readonly OperationKind[], most: number): EffectPoint[] =>
  names.map((name) => ({ name, by, most }));

/** Those of which is known what passes them. */
export const effects: readonly EffectPoint[] = [
  ...points(['file.fsync', 'file.rename', 'directory.fsync'], jobs, 6),
  ...points(['file.remove'], ['install', 'remove'], 3),
  ...points(['port.reserve'], ['install'], 1),
  ...points(['port.release'], ['install', 'remove'], 1),
  ...points(['link.place'], ['install', 'start', 'stop'], 3),
  ...points(['link.remove'], ['stop', 'remove'], 2),
  ...points(['dbus.StartUnit'], ['install', 'start'], 1),
  ...points(['dbus.RestartUnit'], ['install', 'restart'], 1),
  ...points(['dbus.StopUnit', 'dbus.ResetFailedUnit'], ['stop', 'remove'], 1),
  ...points(['dbus.Reload'], ['install', 'remove', 'replace'], 1),
  ...points(['dbus.StartTransientUnit'], onRepositories, 1),
  ...points(['dbus.LoadUnit', 'dbus.Get'], onGears, 15),
  ...points(['docker.container', 'docker.removeContainer', 'docker.image'], onGears, 2),
  ...points(['docker.volume', 'docker.removeVolume'], ['install'], 1),
  ...points(['docker.networks'], ['install', 'start', 'restart'], 2),
  ...points(['docker.createNetwork'], ['install'], 1),
  ...points(['docker.removeNetwork'], ['install', 'remove'], 1),
  ...points(['docker.imagesOfGear'], ['install', 'remove'], 1),
  ...points(['redis.accept', 'redis.take', 'redis.begin', 'redis.finish'], jobs, 4),
  ...points(['redis.cancel'], ['cancel'], 1),
];

/** What names an effect in src: by itself, or as a script, a question to Docker or a call to systemd. */
const namings: [under: string, prefix: string, naming: RegExp][] = [
  ['', '', /\beffect(?:<[^>]*>)?\(\s*'([\w.]+)'/g],
  ['queue/scripts', 'redis.', /^ {2}(\w+): \{(?: file|$)/gm],
  ['worker/docker', 'docker.', /\borNull\('(\w+)'/g],
  ['worker/systemd', 'dbus.', /\b(?:manager|runJob)\(\s*'(\w+)'/g],
];

function namesInSource(): string[] {
  const source = join(import.meta.dirname, '../../src');
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const names = files.flatMap((file) => {
    const text = readFileSync(join(source, file), 'utf8');
    return namings
      .filter(([under]) => file.startsWith(under) && !file.startsWith('lib/effect'))
      .flatMap(([, prefix, naming]) => [...text.matchAll(naming)].map(([, name]) => `${prefix}${name}`));
  });
  return [...new Set(names)].sort();
}

/** All that the source has: a new one is tried without being named here. */
export const effectNames: readonly string[] = [
  ...new Set([...effects.map(({ name }) => name), ...namesInSource()]),
];

/** Those of which is not known what passes them. */
export const otherEffects: readonly EffectPoint[] = points(
  effectNames.filter((name) => !effects.some((known) => known.name === name)),
  jobs,
  2,
);

/** Whether it is the api that passes a point. */
export const isPassedByApi = (point: string) =>
  /^redis\.(?:accept|claimName|insertEntry|deleteEntry|reserveId|freeId|cancel):/.test(point);
