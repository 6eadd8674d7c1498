import type { World } from '../plan/world.ts';
import type { Look } from './look.ts';
import { type Violation, violation } from './violation.ts';

/** Finds what belongs to nothing: of gears that are gone, of versions of gears that are, and of jobs that are over. */
export function checkLeftovers(world: World, seen: Look): Violation[] {
  return [...ofAbsentGears(world, seen), ...ofEarlierVersions(world, seen), ...ofJobs(world, seen)].map(
    (what) => violation('orphan', what),
  );
}

/** What lies beside a gear's unit, secrets among it; the first group is the gear. */
const besideUnit = /^gear-(.+)\.(?:[0-9a-f]{32}\.env|committed\.json|failed\.json)$/;
const environmentImage = /^geard\.invalid\/environment:gear-(.+)\.([0-9a-f]{32})$/;

/** Nothing is left of a gear that is not there, in any place that could bring it back or tell its secrets. */
function ofAbsentGears({ gears }: World, seen: Look): string[] {
  const places: [string, string[]][] = [
    ['its unit file', gearsOf(seen.files.units)],
    ['a file with what it was', matches(besideUnit, seen.files.units)],
    ['a link to its unit', gearsOf(seen.linked)],
    ['a boot that starts it', gearsOf(seen.wanted[0] ?? [])],
    ['Docker that starts it', gearsOf(seen.wanted[1] ?? [])],
    ['its unit in the memory of systemd', gearsOf(loaded(seen))],
    ['its container', matches(/^gear-(.+)$/, [...seen.containers.keys()])],
    ['a reservation of a port', gearsOf([...seen.ports.values()])],
    ['an image with its environment', matches(environmentImage, seen.images)],
  ];
  return places.flatMap(([what, names]) =>
    [...new Set(names)]
      .filter((name) => !gears.has(name))
      .map((name) => `gear ${name}: there is ${what} still`),
  );
}

const matches = (pattern: RegExp, names: readonly string[]) =>
  names.flatMap((name) => pattern.exec(name)?.[1] ?? []);
const gearsOf = (units: readonly string[]) => matches(/^gear-(.+)\.service$/, units);

const loaded = ({ units }: Look) =>
  [...units].flatMap(([name, { load, active }]) =>
    load === 'not-found' && active === 'inactive' ? [] : [name],
  );

/** Of a gear that is there, nothing is left that its unit does not name. */
function ofEarlierVersions({ gears }: World, seen: Look): string[] {
  return [...gears.keys()].flatMap((name) => {
    const unit = seen.said.get(name);
    if (!unit) return []; // Told elsewhere.
    const values = seen.files.units.filter(
      (file) =>
        besideUnit.exec(file)?.[1] === name &&
        file.endsWith('.env') &&
        file !== `gear-${name}.${unit.envTag}.env`,
    );
    const ports = [...seen.ports]
      .filter(([, of]) => of === `gear-${name}.service`)
      .filter(([port]) => !unit.ports.some(({ external }) => external === port));
    const images = seen.images.filter((image) => {
      const [, of, tag] = environmentImage.exec(image) ?? [];
      return of === name && tag !== unit.imageTag;
    });
    const container = seen.containers.get(`gear-${name}`);
    return [
      ...values.map((file) => `values of an earlier version: ${file}`),
      ...ports.map(([port]) => `port ${port} is reserved for gear ${name}, which does not publish it`),
      // The one that a container was running from when the environment changed may stay until the next installation.
      ...(images.length > 1 ? [`gear ${name}: images of earlier environments: ${images}`] : []),
      ...(container && !container.running ? [`gear ${name}: a container that has ended`] : []),
    ];
  });
}

/** What may be in jobs/ when no job is under way: outcomes and the host's identity. */
const kept = /^(?:identity|[0-9a-f]{32}\.json)$/;

/** What only a job that is under way may have. */
function ofJobs(world: World, seen: Look): string[] {
  const { files, linked, wanted, units, containers, ports } = seen;
  const { units: unitFiles, env, git } = files;
  const places = { units: unitFiles, env, git, 'the links of systemd': [...linked, ...wanted.flat()] };
  const drafts = Object.entries(places).flatMap(([directory, names]) =>
    names
      .filter((name) => name.startsWith('.') || name.endsWith('.tmp') || name.endsWith('.before.json'))
      .map((name) => `${directory}/${name}`),
  );
  const notes = files.jobs.filter((name) => !kept.test(name));
  // One that has ended well stays to be looked at (docs/repositories.md).
  const jobs = loaded(seen).filter((name) => {
    const resource = /^job-(.+)\.service$/.exec(name)?.[1];
    if (resource === undefined) return false;
    return !world.repositories.has(resource) || !/^(exited|dead)$/.test(units.get(name)?.sub ?? '');
  });
  const unreserved = [...ports].filter(([, unit]) => !files.units.includes(unit) && !gearsOf([unit])[0]);
  return [
    ...drafts,
    ...notes.map((name) => `jobs/${name}`),
    ...jobs.map((name) => `unit ${name}`),
    ...[...containers.keys()].filter((name) => !name.startsWith('gear-')).map((name) => `container ${name}`),
    ...unreserved.map(([port, unit]) => `port ${port}, which is a link to ${unit}`),
    ...seen.nameless.map((id) => `image ${id}, which has no name`),
    ...seen.volumes.filter((name) => !world.volumes.has(name)).map((name) => `volume ${name}`),
    ...seen.networks
      .filter((name) => !world.gears.has(name.replace(/^gear-/, '')))
      .map((name) => `network ${name}`),
  ];
}
