import { networkInterfaces } from 'node:os';
import { z } from 'zod';
import { fetchOnce } from '../../lib/http/fetch.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { findProgram } from '../../queue/private-redis/private-redis.ts';
import { measureOffset } from '../../queue/redis/clock.ts';
import { askOnce, fitnessOf } from '../../queue/redis/preflight.ts';
import { withoutLogin } from '../../queue/redis/redis-url.ts';
import { keyNames, readKeyring } from '../../token/key-files.ts';
import { skew } from '../../token/verifier.ts';
import { keyFaults } from '../../token/watch-keys.ts';
import { listeningPorts } from '../../worker/host/listening.ts';
import { redisAccess } from '../roles/redis-access.ts';
import { type Check, ok, problem, warning } from './finding.ts';

/** Timeout for an api's answer, in milliseconds. */
const deadline = 3_000;
const ask = (address: string) => fetchOnce(address, { signal: AbortSignal.timeout(deadline) });

export const settings: Check = {
  at: 'whether the options go together',
  mend: 'see docs/operations.md',
  async look({ contradictions: wrong, keys: directory, testToken }) {
    if (wrong.length === 0) return ok('a daemon starts with them');
    // Beside a running daemon, its user need not know whether it has --keys or --test-token.
    const isForToken = wrong.length === 1 && directory === null && !testToken;
    return (isForToken ? warning : problem)('no daemon starts with them', wrong.join('\n'));
  },
};

export const redis: Check<typeof findProgram> = {
  at: 'whether it answers, by TLS and login where they are used, its version, whether it keeps jobs',
  mend: 'check that it runs there, and that --redis and --redis-… are right; without --redis install redis-server',
  async look({ redis: url, log, ...files }, find = findProgram) {
    if (url === null) return ok(`${await find()}, for the daemon's own`);
    const at = withoutLogin(url);
    const fitness = await askOnce(await redisAccess(url, files), log, fitnessOf).catch((error: Error) => {
      if (error.message.startsWith('NOPERM')) return null;
      throw new Error(`${at}: ${error.message}`);
    });
    const mend = 'use the rules of "gear redis-acl"';
    if (fitness === null) return warning(`${at} does not tell this user whether it keeps jobs`, mend);
    const { version, faults } = fitness;
    if (faults.length > 0) return problem(`${version} at ${at} may lose jobs`, faults.join('\n'));
    return ok(`${version} at ${at}`);
  },
};

export const keys: Check = {
  at: 'whether all exist, and who can read and change them',
  mend: 'run this as root; --keys names their directory',
  async look({ keys: directory }) {
    if (directory === null) return ok('none: --keys is not given');
    const read = await readKeyring(directory);
    const faults = keyFaults(directory, read);
    if (faults.length > 0) return problem(`no role starts with ${directory}`, faults.join('\n'));
    const files = (await keyNames(directory)).map(([file]) => file);
    const makers = files.filter((file) => /issuer\.key$/.test(file)).join(', ');
    const mend = 'take it to the machine where tokens are made, and remove it here; see docs/tokens.md';
    if (makers !== '')
      return warning(`${directory} has keys that make tokens, which no role needs: ${makers}`, mend);
    const { daemons, issuers } = read.keyring;
    return ok(`${daemons.size} of daemons and ${issuers.size} of issuers in ${directory}`);
  },
};

/** Tokens expire, and every verifier has its own clock. */
export const clock: Check = {
  at: "the difference from Redis's clock and from the api's",
  mend: 'see the check of Redis',
  async look({ redis: url, api, log, ...files }) {
    const ofRedis = async () => url && askOnce(await redisAccess(url, files), log, measureOffset);
    const offsets = await Promise.all([ofRedis(), offsetOfApi(api)].map((one) => one.catch(() => null)));
    const known = offsets.filter((one) => typeof one === 'number');
    if (known.length === 0) return ok('nothing to compare it with: neither Redis nor an api answers');
    const whose = ["Redis's", "the api's"].filter((_, i) => typeof offsets[i] === 'number').join(' and ');
    const seconds = Math.max(...known.map(Math.abs)) / 1000;
    const detail = `${seconds.toFixed(1)} s or less from ${whose}`;
    if (seconds <= skew / 10) return ok(detail);
    const mend = `timedatectl set-ntp true, on all machines; tokens allow for ${skew} s`;
    return seconds > skew ? problem(detail, mend) : warning(detail, mend);
  },
};

/** Milliseconds that the api's clock is ahead of ours, to half a second: Date has whole ones. */
async function offsetOfApi(api: string): Promise<number | null> {
  const sent = Date.now();
  const { headers } = await ask(`${api}/healthz`);
  const told = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(told) ? null : told + 500 - (sent + Date.now()) / 2;
}

const ofGeard = z.object({ info: z.object({ title: z.literal('geard'), version: z.string() }) });

export const listen: Check = {
  at: 'whether the address of --listen is free, or geard answers there',
  mend: 'give another address with --listen',
  async look({ listen: { host, port } }) {
    const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    if (!isOwn(host)) return problem(`${host} is not an address of this host`, 'give --listen one that is');
    try {
      const answer = await ask(`http://${at}/openapi.json`);
      const said = ofGeard.safeParse(parseJson(await answer.text()));
      if (said.success) return ok(`geard ${said.data.info.version} answers at ${at}`);
    } catch {
      // Even if nothing answers at this address, a program may have the port on all addresses.
      if (!(await listeningPorts(process.pid)).has(port)) return ok(`${at} is free`);
    }
    const mend = `"ss -ltnp sport = :${port}" shows which; stop it, or give another port with --listen`;
    return problem(`another program listens on port ${port}`, mend);
  },
};

function isOwn(host: string): boolean {
  if (['localhost', '0.0.0.0', '::'].includes(host) || host.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === host));
}
