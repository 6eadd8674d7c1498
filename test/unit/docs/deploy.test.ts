import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import type { OptionDefinition } from '../../../src/cli/options/option-definition.ts';
import { type OptionName, optionTable, type Role, roleOptions } from '../../../src/cli/options/options.ts';

const names = Object.keys(optionTable) as OptionName[];
const variables = new Set<string>(Object.values(optionTable).map(({ env }) => env));

const rolesOf = (name: OptionName) =>
  (Object.keys(roleOptions) as Role[]).filter((role) =>
    (roleOptions[role] as readonly OptionName[]).includes(name),
  );

/** What is set for a role; other options are for who asks an api. */
const ofRoles = names.filter((name) => rolesOf(name).length > 0);

/** Their defaults differ from machine to machine. */
const ofTheHost = new Set<OptionName>(['host', 'maxGearMemory', 'maxGearCpus', 'maxStarts']);

/** How an option stands in the environment file. */
function block(name: OptionName): string {
  const { flag, env, help, takes, default: preset }: OptionDefinition = optionTable[name];
  const off = takes === undefined ? '0' : '';
  const value = ofTheHost.has(name) ? '' : (preset ?? off);
  return `# ${flag} (${rolesOf(name).join(', ')}): ${help}\n#${env}=${value}\n`;
}

test('contrib/systemd/geard.env has every option with its roles, help and default, and sets none', () => {
  const [, ...blocks] = readFileSync('contrib/systemd/geard.env', 'utf8').split('\n\n');
  expect(blocks.map((text) => `${text.trimEnd()}\n`)).toEqual(ofRoles.map(block));
});

test('units, compose file and image name no variable that there is not', () => {
  const units = readdirSync('contrib/systemd').map((name) => `contrib/systemd/${name}`);
  for (const file of [...units, 'docker-compose.yml', 'Dockerfile']) {
    const named = readFileSync(file, 'utf8').match(/\bGEARD_\w+/g) ?? [];
    expect(
      named.filter((name) => !variables.has(name)),
      file,
    ).toEqual([]);
  }
});

test('every stage of the image begins with one Node.js, of a release with long-term support, by digest', () => {
  const text = readFileSync('Dockerfile', 'utf8');
  const pinned = /^ARG NODE_IMAGE=node:(\d+)\.\d+\.\d+-bookworm-slim@sha256:[0-9a-f]{64}$/m;
  const [, major] = pinned.exec(text) ?? [];
  expect(Number(major) % 2).toBe(0); // Even releases become LTS (nodejs.org/en/about/previous-releases).
  const stages = text.match(/^FROM .*/gm) ?? [];
  expect(stages.length).toBeGreaterThan(0);
  expect(stages.filter((line) => !/^FROM \$\{NODE_IMAGE\}( AS \w+)?$/.test(line))).toEqual([]);
});

test('the daemon may do what the worker may, and no more', () => {
  const sandbox = (path: string) =>
    readFileSync(path, 'utf8').match(/^CapabilityBoundingSet=[\s\S]*?(?=\n\n)/m)?.[0];
  expect(sandbox('contrib/systemd/geard.service')).toBe(sandbox('contrib/systemd/geard-worker.service'));
});

/** The comment at the head of geard.env, and the files of all services. */
function headAndServices() {
  const [head = ''] = readFileSync('contrib/systemd/geard.env', 'utf8').split('\n\n');
  const services = readdirSync('contrib/systemd').filter((name) => name.endsWith('.service'));
  return { head, paths: services.map((name) => `contrib/systemd/${name}`) };
}

test('the head of geard.env names every unit that must be allowed to write to another base', () => {
  const { head, paths } = headAndServices();
  const writers = paths.filter((path) => readFileSync(path, 'utf8').includes('ReadWritePaths=/srv/gears\n'));
  const named = [...head.matchAll(/systemctl edit ([a-z-]+)/g)].map(([, unit]) => `${unit}.service`);
  expect(named.sort()).toEqual(writers.map((path) => basename(path)).sort());
  expect(head).toMatch(/make the directory, then/);
});

test('after a change of geard.env, its head has every unit that reads it restarted', () => {
  const { head, paths } = headAndServices();
  const readers = paths.filter((path) => readFileSync(path, 'utf8').includes('/etc/geard/geard.env\n'));
  expect(readers.length).toBeGreaterThan(3);
  const isRestarted = (path: string) =>
    head.includes(
      `systemctl restart ${/^PartOf=(.*)/m.exec(readFileSync(path, 'utf8'))?.[1] ?? basename(path)}`,
    );
  expect(readers.filter((path) => !isRestarted(path))).toEqual([]);
});
