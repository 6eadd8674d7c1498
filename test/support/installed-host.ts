import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Problem } from '../../src/jobs/errors.ts';
import type { Job } from '../../src/jobs/job.ts';
import { newId } from './client.ts';
import { okOn, tryOn } from './lab-exec.ts';
import { ok, type Ran, run } from './run.ts';

/** A lab host with the release's tarball unpacked on it, driven from outside. */
export interface InstalledHost {
  /** The tarball, at a path that the host has too. */
  tarball: string;
  /** Runs a command on the host and returns what it did. */
  try(...command: string[]): Promise<Ran>;
  /** Runs a command on the host that must succeed and returns its output. */
  ok(...command: string[]): Promise<string>;
  /** Writes a file on the host. */
  write(path: string, text: string, mode?: string): Promise<void>;
  /** contrib/install.sh of the tarball, by a root who is careful with what he makes (umask 077). */
  install(...args: string[]): Promise<Ran>;
  /** A token made with the keys that the installation has made on the host. */
  token(...args: string[]): Promise<string>;
  /**
   * Sends a request to the api with curl, with a token that is good for everything unless another
   * one is given. It is made for the first request after an installation.
   */
  curl(method: string, path: string, body?: unknown, token?: string): Promise<string>;
  /** Sends a change under a new request id and returns how its job has ended. */
  change(method: string, path: string, query: string, body?: unknown): Promise<Problem & Job>;
  /** Has the next request carry a token made anew, with the newest keys. */
  renewToken(): void;
  close(): Promise<void>;
}

const unpacked = '/root/release';
/** What makes tokens. */
export const issuer = '/root/geard-issuer';

export async function openInstalledHost(name: string): Promise<InstalledHost> {
  process.env['GEARD_LAB_DIR'] = `/run/geard-lab-${name}`;
  const tarball = await release();
  await run('contrib/lab', 'down');
  await ok('contrib/lab', 'up', '1', '--bare');

  const attempt = (...command: string[]) => tryOn('h1', ...command);
  const must = (...command: string[]) => okOn('h1', ...command);
  await must('mkdir', unpacked);
  await must('tar', '-xf', tarball, '-C', unpacked);
  let forEverything: Promise<string> | null = null;

  const again = (error: unknown) => {
    forEverything = null;
    throw error;
  };
  const host: InstalledHost = {
    tarball,
    try: attempt,
    ok: must,
    async write(path, text, mode = '600') {
      await must('sh', '-c', 'umask 077; printf %s "$1" >"$2"; chmod "$3" "$2"', 'sh', text, path, mode);
    },
    install(...args) {
      host.renewToken();
      const script = `${unpacked}/package/contrib/install.sh`;
      return attempt('sh', '-c', 'umask 077; exec "$@"', 'sh', script, ...args);
    },
    token: (...args) => must('gear', 'token', 'create', '--keys', issuer, ...args),
    async curl(method, path, body, token) {
      if (token === undefined)
        forEverything ??= host.token('--action', '*.*', '--expires', '1h').catch(again);
      const good = token ?? (await forEverything);
      const data = body === undefined ? [] : ['-d', JSON.stringify(body)];
      const url = `http://127.0.0.1:2223/token/${good}/${path}`;
      return must('curl', '-sS', '-X', method, '-H', 'Prefer: wait=60', ...data, url);
    },
    change: async (method, path, query, body) =>
      JSON.parse(await host.curl(method, `${path}?u=0&i=${newId()}&${query}`, body)),
    renewToken() {
      forEverything = null;
    },
    close: async () => void (await run('contrib/lab', 'down')),
  };
  return host;
}

/** The tarball of this tree, which npm takes seven seconds to pack: scripts/test.sh names one for all its runs. */
async function release(): Promise<string> {
  const packed = join(process.cwd(), 'node_modules', '.cache', 'geard-release');
  const given = process.env['GEARD_TEST_RELEASE'];
  if (given !== undefined) return join(packed, given);
  await mkdir(packed, { recursive: true });
  return join(
    packed,
    lastLine(await ok('npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', packed)),
  );
}

const lastLine = (text: string) => text.split('\n').at(-1) ?? '';
