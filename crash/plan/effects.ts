import type { OperationKind } from './operation.ts';

/** An effect of geard's (src/lib/failpoint.ts) that a round may pass. */
export interface EffectPoint {
  name: string;
  /** The operations that pass it. */
  by: readonly OperationKind[];
  /** How often a round passes it, about. */
  most: number;
}

const jobs = ['install', 'start', 'stop', 'restart', 'remove', 'repository', 'replace', 'merge'] as const;
const onGears = ['install', 'start', 'stop', 'restart', 'remove'] as const;

const points = (names: readonly string[], by: readonly OperationKind[], most: number): EffectPoint[] =>
  names.map((name) => ({ name, by, most }));

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
  ...points(['dbus.StartTransientUnit'], ['repository'], 1),
  ...points(['dbus.LoadUnit', 'dbus.Get'], onGears, 15),
  ...points(['docker.container', 'docker.removeContainer', 'docker.image'], onGears, 2),
  ...points(['docker.networks'], ['install', 'start', 'restart'], 2),
  ...points(['docker.createNetwork'], ['install'], 1),
  ...points(['docker.removeNetwork'], ['install', 'remove'], 1),
  ...points(['docker.imagesOfGear'], ['install', 'remove'], 1),
  ...points(['redis.acceptAtOnce', 'redis.take', 'redis.begin', 'redis.finish'], jobs, 4),
  ...points(['redis.cancel'], ['cancel'], 1),
];
