import { existsSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { type GearUnit, parseUnit } from '../../src/worker/domain/unit-file.ts';
import type { LabHost } from '../lab/lab-host.ts';
import { lookAtRepositories } from './repositories.ts';

/** A host as systemd, Docker and its directories have it; geard is not asked. */
export interface Look {
  /** Services of gears and jobs that systemd has in its memory. */
  units: Map<string, UnitLook>;
  /** By name, those of gears and jobs and those that carry geard's label. */
  containers: Map<string, ContainerLook>;
  /** Names of images that carry the environment of a gear. */
  images: string[];
  /** Ids of images without a name. */
  nameless: string[];
  volumes: string[];
  /** Those that Docker does not have by itself. */
  networks: string[];
  /** Names in each directory below the base. */
  files: Record<'units' | 'env' | 'git' | 'jobs', string[]>;
  /** What the unit files of gears say, by the names of the gears. */
  said: Map<string, GearUnit>;
  /** External ports, and the unit that each is reserved for. */
  ports: Map<number, string>;
  environments: Map<string, string>;
  /** By name, what is wrong with each of those below git/; null: nothing. */
  repositories: Map<string, string | null>;
  /** Whether geard is to take nothing new. */
  draining: boolean;
  /** Names of units in /etc/systemd/system, and in what a boot starts and what Docker starts. */
  linked: string[];
  wanted: string[][];
}

export interface UnitLook {
  load: string;
  active: string;
  sub: string;
}

export interface ContainerLook {
  id: string;
  running: boolean;
  /** Of its environment. */
  mark: string | null;
  /** External ports. */
  ports: number[];
}

const base = '/var/lib/gears';
const system = '/etc/systemd/system';

export async function look(host: LabHost): Promise<Look> {
  const [units, containers, images, rest, unitTexts, repositories, ports, environments, linked, ...lists] =
    await Promise.all([
      lookAtUnits(host),
      lookAtContainers(host),
      lookAtImages(host),
      lookAtVolumesAndNetworks(host),
      readFiles(host.path(`${base}/units`)),
      lookAtRepositories(host, `${base}/git`),
      readLinks(host.path(`${base}/ports`)),
      readFiles(host.path(`${base}/env`)),
      names(host, system),
      ...['units', 'env', 'git', 'jobs'].map((directory) => names(host, join(base, directory))),
      ...['multi-user.target', 'docker.service'].map((unit) => names(host, join(system, `${unit}.wants`))),
    ]);
  const [unitFiles = [], env = [], git = [], jobs = [], ...wanted] = lists;
  const files = { units: unitFiles, env, git, jobs };
  const said = new Map(
    [...unitTexts].flatMap(([name, text]) => {
      const unit = name.endsWith('.service') ? parseUnit(text) : null;
      return unit ? [[unit.resource, unit] as const] : [];
    }),
  );
  const draining = existsSync(host.path(`${base}/draining`));
  const onDisk = { ports, environments, repositories, files, said, draining, linked, wanted };
  return { units, containers, ...images, ...rest, ...onDisk };
}

async function lookAtUnits(host: LabHost): Promise<Look['units']> {
  const properties = '--property=Id,LoadState,ActiveState,SubState';
  const text = await host.ok('systemctl', 'show', '--all', properties, 'gear-*.service', 'job-*.service');
  return new Map(
    text.split('\n\n').flatMap((block) => {
      const of = Object.fromEntries(block.split('\n').map((line) => line.split('=', 2)));
      if (!of['Id']) return [];
      return [
        [of['Id'], { load: of['LoadState'], active: of['ActiveState'], sub: of['SubState'] } as UnitLook],
      ];
    }),
  );
}

interface Inspected {
  Id: string;
  Name: string;
  State: { Running: boolean };
  Config: { Env: string[] | null };
  HostConfig: { PortBindings: Record<string, { HostPort: string }[]> | null };
}

async function lookAtContainers(host: LabHost): Promise<Look['containers']> {
  const all = await askDocker<{ Id: string }[]>(host, '/containers/json?all=1');
  const inspected = await Promise.all(
    (all ?? []).map(({ Id }) => askDocker<Inspected>(host, `/containers/${Id}/json`)),
  );
  return new Map(
    inspected.flatMap((one) => {
      if (!one) return []; // It has gone meanwhile.
      const { Id, Name, State, Config, HostConfig } = one;
      const mark = Config.Env?.find((entry) => entry.startsWith('MARK='))?.slice('MARK='.length) ?? null;
      const ports = Object.values(HostConfig.PortBindings ?? {}).flat();
      const external = ports.map(({ HostPort }) => Number(HostPort));
      return [[Name.replace(/^\//, ''), { id: Id, running: State.Running, mark, ports: external }]];
    }),
  );
}

interface Image {
  Id: string;
  RepoTags: string[] | null;
  Labels: Record<string, string> | null;
}

async function lookAtImages(host: LabHost): Promise<Pick<Look, 'images' | 'nameless'>> {
  const all = (await askDocker<Image[]>(host, '/images/json')) ?? [];
  const namesOf = ({ RepoTags }: Image) => (RepoTags ?? []).filter((name) => name !== '<none>:<none>');
  const nameless = all.filter((image) => namesOf(image).length === 0);
  // The git image before the present one stays until the next is made (contrib/githost/image): a
  // worker makes one where a package of the machine, which the host shares, has been updated.
  const formerGit = nameless.find(({ Labels }) => Labels?.['geard.githost']);
  return {
    images: all.flatMap(namesOf).filter((name) => name.startsWith('geard.invalid/environment:')),
    nameless: nameless.filter((image) => image !== formerGit).map(({ Id }) => Id),
  };
}

async function lookAtVolumesAndNetworks(host: LabHost): Promise<Pick<Look, 'volumes' | 'networks'>> {
  const [volumes, networks] = await Promise.all([
    askDocker<{ Volumes: { Name: string }[] | null }>(host, '/volumes'),
    askDocker<{ Name: string }[]>(host, '/networks'),
  ]);
  const own = ['bridge', 'host', 'none'];
  return {
    volumes: (volumes?.Volumes ?? []).map(({ Name }) => Name),
    networks: (networks ?? []).map(({ Name }) => Name).filter((name) => !own.includes(name)),
  };
}

/** What Docker answers; null: there is no such thing. */
function askDocker<T>(host: LabHost, path: string): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const asked = request({ path, createConnection: () => host.connect('/run/docker.sock') }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        resolve(answer.statusCode === 200 ? (JSON.parse(Buffer.concat(chunks).toString('utf8')) as T) : null);
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** Names in a directory of the host; none where it is not there. */
const names = (host: LabHost, path: string) => readdir(host.path(path)).catch(() => [] as string[]);

async function readLinks(directory: string): Promise<Map<number, string>> {
  const ports = await readdir(directory);
  const entries = ports.map(async (port) => {
    const target = await readlink(join(directory, port));
    return [Number(port), target.slice(target.lastIndexOf('/') + 1)] as const;
  });
  return new Map(await Promise.all(entries));
}

async function readFiles(directory: string): Promise<Map<string, string>> {
  const files = (await readdir(directory)).filter((name) => !name.startsWith('.'));
  const entries = files.map(async (name) => [name, await readFile(join(directory, name), 'utf8')] as const);
  return new Map(await Promise.all(entries));
}
