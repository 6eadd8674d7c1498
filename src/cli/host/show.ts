import type { Answer, Result } from '../../jobs/registry.ts';
import { columns } from '../client/show.ts';

type DriftOfHost = Answer<'drift.read'>['hosts'][number];

/** Formats a line for each host. */
export function showHosts(hosts: Answer<'host.list'>['hosts']): string {
  const head = ['NAME', 'STATE', 'GEARS', 'VERSION', 'LAST SEEN'];
  const rows = hosts.map(({ name, state, gears, version, lastSeen }) => [
    name,
    state,
    String(gears ?? '-'),
    version ?? '-',
    lastSeen ?? '-',
  ]);
  return columns(head, rows);
}

/** Whether a repair of the host would change anything; a repair leaves foreign objects alone. */
export function needsRepair({ drift }: DriftOfHost): boolean {
  if (drift === null) return false;
  const { unitsWithoutEntry, entriesWithoutUnit, changedUnits, withoutNetwork } = drift;
  const mended = changedUnits.filter(({ text, link }) => text || link === 'missing');
  return [unitsWithoutEntry, entriesWithoutUnit, mended, withoutNetwork].flat().length > 0;
}

const faults = { missing: 'is missing', wrong: 'is a file, or leads elsewhere' } as const;

/** Formats the drift of a host, one line for each difference. */
export function showDrift({ host, drift }: DriftOfHost): string {
  if (drift === null) return `${host}: does not answer\n`;
  const lines = [
    ...drift.unitsWithoutEntry.map((gear) => `${gear}: the directory does not have it`),
    ...drift.entriesWithoutUnit.map((gear) => `${gear}: the directory has it, but the host has no unit`),
    ...drift.changedUnits.flatMap(({ resource, text, link }) => [
      ...(text ? [`${resource}: the unit was changed`] : []),
      ...(link === 'fine' ? [] : [`${resource}: the link below /etc/systemd/system ${faults[link]}`]),
    ]),
    ...drift.withoutNetwork.map((gear) => `${gear}: its Docker network is gone`),
    ...drift.foreign.map(({ kind, name }) => `${name}: a ${kind} that geard did not make`),
  ];
  return lines.length > 0 ? lines.map((line) => `${host}: ${line}\n`).join('') : `${host}: no drift\n`;
}

/** Formats the outcome of a repair, one line for each kind. */
export function showRepair(host: string, result: Result<'host.repair'>): string {
  const { foreign, networks, ...done } = result;
  const lines = Object.entries({ ...done, 'created the networks of': networks })
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${host}: ${what} ${names.join(', ')}\n`);
  const kept = foreign.map(
    ({ kind, name }) => `${host}: ${name} is a ${kind} that geard did not make; untouched\n`,
  );
  return lines.length + kept.length > 0 ? [...lines, ...kept].join('') : `${host}: nothing to repair\n`;
}
