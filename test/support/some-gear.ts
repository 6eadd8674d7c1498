import fc from 'fast-check';
import { gearSpec } from '../../src/jobs/types/container.ts';
import { dockerCommands } from '../../src/worker/docker/commands.ts';
import { hostPaths, networkOf } from '../../src/worker/domain/paths.ts';
import {
  containerOf,
  type GearUnit,
  renderUnit,
  type StoredGear,
  type UnitHost,
} from '../../src/worker/domain/unit-file.ts';

/** Words that have meant something to some parser somewhere. */
const nasty = fc.constantFrom(
  '"',
  "'",
  '\\',
  '%',
  '%n',
  '%%',
  '\\x25',
  '$HOME',
  ['$', '{HOME}'].join(''),
  '$$',
  ';',
  ' ; ',
  '\\;',
  '#',
  '=',
  '-',
  '\t',
  '\n',
  '\\n',
  ' ',
  '  ',
  '',
  '*',
  '~',
  '`id`',
  '@',
  ':',
  '!',
  '|',
  '&',
  '🦊',
  'é',
  '\u2028',
  '\u00a0',
  '\u0085',
);
const word = fc
  .oneof(
    fc.array(fc.oneof(nasty, fc.string({ maxLength: 4 })), { maxLength: 5 }).map((parts) => parts.join('')),
    nasty,
  )
  .filter((text) => !/[\0-\x08\x0b-\x1f\x7f]/.test(text) && text.isWellFormed());

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,20}$/);
const port = fc.integer({ min: 1, max: 65535 });

/** Any gear that the contract allows. */
export const someGear: fc.Arbitrary<GearUnit> = fc
  .record({
    resource: name,
    command: fc.array(word, { maxLength: 6 }),
    ports: fc.uniqueArray(port, { maxLength: 4 }),
    env: fc.uniqueArray(fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/), { maxLength: 3 }),
    volumes: fc.uniqueArray(fc.stringMatching(/^\/[a-z]{1,8}$/), { maxLength: 3 }),
    environment: fc.option(name, { nil: undefined }),
    network: fc.option(name, { nil: undefined }),
    isOfBefore: fc.boolean(),
    memory: fc.option(fc.integer({ min: 6 * 1024 * 1024, max: 2 ** 40 }), { nil: undefined }),
    pids: fc.integer({ min: 1, max: 100_000 }),
    logLines: fc.integer({ min: 1, max: 1_000_000_000 }),
    addresses: fc.subarray(['192.0.2.1', '2001:db8::1']),
    cpus: fc.option(
      fc.integer({ min: 1, max: 400 }).map((n) => n / 100),
      { nil: undefined },
    ),
  })
  .map(({ resource, ports, env, volumes, isOfBefore, pids, logLines, addresses, ...body }) => ({
    resource,
    spec: gearSpec.parse({
      ...body,
      image: 'registry.example:5000/team/app:1.2',
      ports: ports.map((internal) => ({ internal })),
      env: env.map((variable) => ({ name: variable, value: 'x' })),
      volumes: volumes.map((path, i) => ({ name: `v${i}`, path })),
    }),
    ports: ports.map((internal, i) => ({ internal, external: 4000 + i })),
    envTag: env.length > 0 ? '0123456789abcdef0123456789abcdef' : null,
    imageTag: null,
    pids,
    logLines,
    addresses,
    network: isOfBefore ? null : networkOf(resource, body),
  }));

/** A gear that has nothing but its image. */
export const plainGear = (resource: string): GearUnit => ({
  resource,
  spec: gearSpec.parse({ image: 'geard/sample' }),
  ports: [],
  envTag: null,
  imageTag: null,
  pids: 64,
  logLines: 10_000,
  addresses: [],
  network: null,
});

/** The same as it is on a host's disk. */
export function storedGear(resource: string, host: UnitHost): StoredGear {
  const gear = plainGear(resource);
  return { ...gear, text: renderUnit(gear, host) };
}

/** What the texts of units depend on, on a host with Docker. */
export const unitHost = (base = '/var/lib/gears'): UnitHost => ({
  paths: hostPaths(base),
  engine: dockerCommands,
});

/** The command line that runs a gear, as words. */
export const runCommand = (gear: GearUnit, { paths, engine }: UnitHost) =>
  engine.runCommand(containerOf(gear, paths));
