import { ok } from '../../test/support/run.ts';

/** Gives processes, and all that they start from now on, a share of the processors: a scope in system.slice. */
export const giveShare = (name: string, pids: (number | undefined)[], weight: number) =>
  ok(
    'busctl',
    ...['call', 'org.freedesktop.systemd1', '/org/freedesktop/systemd1', 'org.freedesktop.systemd1.Manager'],
    ...['StartTransientUnit', 'ssa(sv)a(sa(sv))', `bench-${name}.scope`, 'fail', '3'],
    ...['PIDs', 'au', String(pids.length), ...pids.map(String)],
    ...['Slice', 's', 'system.slice', 'CPUWeight', 't', String(weight), '0'],
  );
