import type { z } from 'zod';
import { allows } from '../../jobs/access/patterns.ts';
import type { Scope } from '../../jobs/access/scope.ts';
import { actions } from '../../jobs/actions.ts';
import { Failure } from '../../jobs/errors.ts';
import type { UserLimits } from '../../jobs/limits.ts';
import type { Answer } from '../../jobs/registry.ts';
import { contentSchemas } from '../../jobs/rpc/queries.ts';
import type { GearSummary } from '../../jobs/types/container-reads.ts';
import { type ApiQueue, type NamePage, NoAnswer } from '../../queue/api-queue.ts';
import { openAnswer } from '../../requests/envelope.ts';
import type { Sealer } from '../../token/seal.ts';
import type { AuthorizedOrder, OrderHandlers } from '../dispatch.ts';
import { holderOf, requireHost } from '../placement.ts';
import { clientGone } from '../request/request-context.ts';
import { sendJson, sendText } from '../respond.ts';

type Reads = Pick<
  OrderHandlers,
  | 'container.read'
  | 'container.list'
  | 'environment.read'
  | 'host.list'
  | 'host.remove'
  | 'drift.read'
  | 'whoami'
>;

/** Timeout for a worker to compare its whole state, in milliseconds. */
const driftDeadline = 15_000;

/** Default length of a page of a list. */
const usualLimit = 100;

/**
 * Handlers that read gears, environments, hosts and the token, and forget hosts. For gears,
 * environments and drift they query the workers, so the answer shows the current state.
 */
export function reads(queue: ApiQueue, limits: UserLimits, sealer: Sealer): Reads {
  return {
    async 'container.read'(_req, res, order) {
      const host = await holderOf(queue, 'gear', order.wants.resource, order.all.h);
      const answer = await askSealed(queue, sealer, order, host);
      sendJson(res, 200, answer satisfies Answer<'container.read'>);
    },

    async 'container.list'(_req, res, { all: { h, after, limit = usualLimit }, scope, seal }) {
      if (h !== undefined) await requireHost(queue, h);
      const { containers, next } = await listGears(queue, seal, scope, { limit, after }, clientGone(res));
      sendJson(res, 200, { containers, next: next ?? undefined } satisfies Answer<'container.list'>);
    },

    async 'environment.read'(_req, res, order) {
      const host = await holderOf(queue, 'environment', order.wants.resource, order.all.h);
      const variables = await askSealed(queue, sealer, order, host);
      // The contract's NAME="value": a JSON string also holds quotes and line breaks.
      const lines = variables.map(({ name, value }) => `${name}=${JSON.stringify(value)}\n`);
      sendText(res, 200, lines.join(''), 'text/plain');
    },

    async 'host.list'(_req, res, { all: { after = '', limit = usualLimit }, scope }) {
      const all = (await queue.hosts())
        .filter(({ name }) => name > after && (scope.h === undefined || name === scope.h))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      const page = all.slice(0, limit);
      const next = page.length < all.length ? page.at(-1)?.name : undefined;
      const hosts = page.map(({ name, state, gears, limits: granted, version, lastSeen: at }) => {
        if (scope.r !== undefined) return { name, state }; // A token for some names must see no more.
        const lastSeen = at === 0 ? null : new Date(at).toISOString();
        return { name, state, gears, limits: granted, version, lastSeen };
      });
      sendJson(res, 200, { hosts, next, limits } satisfies Answer<'host.list'>);
    },

    async 'host.remove'(_req, res, { wants: { host } }) {
      const { state } = await requireHost(queue, host);
      if (state !== 'gone')
        throw new Failure(
          'invalid_request',
          `the host ${host} is ${state}; stop its worker before you remove it`,
        );
      const removed = await queue.removeHost(host);
      sendJson(res, 200, { host, removed } satisfies Answer<'host.remove'>);
    },

    async 'drift.read'(_req, res, { all, seal }) {
      const asked = all.h === undefined ? await queue.hosts() : [await requireHost(queue, all.h)];
      const orNull = (error: unknown) => {
        // Asked for alone, a host that refuses has its reason told; the others answer all the same.
        if (all.h === undefined || error instanceof NoAnswer) return null;
        throw error;
      };
      const ask = (host: string) =>
        queue.ask(host, 'drift.read', seal({ use: 'answer', host }), {}, driftDeadline).catch(orNull);
      const hosts = await Promise.all(
        asked.map(async ({ name, state }) => ({
          host: name,
          drift: state === 'gone' ? null : await ask(name),
        })),
      );
      hosts.sort((a, b) => (a.host < b.host ? -1 : 1));
      sendJson(res, 200, { hosts } satisfies Answer<'drift.read'>);
    },

    async whoami(_req, res) {
      const { claims } = res.locals.caller;
      const { u: user = null, r: resource = null, h: host = null, d } = claims;
      const allowed = actions.filter((action) => allows(claims, action));
      const expires = d === undefined ? null : new Date(d * 1000).toISOString();
      sendJson(res, 200, { user, resource, host, actions: allowed, expires } satisfies Answer<'whoami'>);
    },
  };
}

/**
 * Asks a host for an answer that only this request opens. Throws `host_unavailable` when the answer
 * is for another one, or makes no sense.
 */
async function askSealed<Q extends keyof typeof contentSchemas>(
  queue: ApiQueue,
  sealer: Sealer,
  { name, seal }: { name: Q; seal: AuthorizedOrder<Q>['seal'] },
  host: string,
): Promise<z.infer<(typeof contentSchemas)[Q]>> {
  const sealed = seal({ use: 'answer', host });
  const content = openAnswer(sealer, await queue.ask(host, name, sealed, {}), host, sealed);
  const parsed = contentSchemas[name].safeParse(content);
  if (parsed.success) return parsed.data as z.infer<(typeof contentSchemas)[Q]>;
  throw new Failure(
    'host_unavailable',
    `the api cannot read the answer of the host ${host}; check that both have the same version and the same daemon keys`,
  );
}

/**
 * Maximum number of reads of names for one page: the gear of a name may not be on its host yet, or
 * may have left it.
 */
const maxRounds = 5;

/** Lists a scope's gears after a name, and the next name. Stops when the client leaves. */
async function listGears(
  queue: ApiQueue,
  seal: AuthorizedOrder<'container.list'>['seal'],
  scope: Scope,
  { limit, after }: { limit: number; after: string | undefined },
  signal: AbortSignal,
): Promise<{ containers: GearSummary[]; next: string | null }> {
  const states = new Map((await queue.hosts()).map(({ name, state }) => [name, state]));
  const ask = async (host: string, names: string[]) => {
    const isGone = (states.get(host) ?? 'gone') === 'gone';
    const answer = isGone
      ? null
      : await queue.ask(host, 'container.list', seal({ use: 'answer', host }), { names }).catch(() => null);
    return answer ?? byName(host, await queue.held(host, 'gear', names));
  };
  const containers: GearSummary[] = [];
  let next = after ?? null;
  for (let round = 0; round < maxRounds && containers.length < limit; round++) {
    signal.throwIfAborted();
    const page = await queue.listNames('gear', scope, limit - containers.length, next ?? undefined);
    containers.push(...(await readGears(page.names, ask)));
    next = page.next;
    if (next === null) break;
  }
  return { containers, next };
}

/**
 * Returns gears in the order of their names. Queries only their hosts, and leaves out gears that
 * are not there yet, or no longer. Gears of a host that does not answer have no state. Each host
 * speaks only for itself, and for the names that it was asked for.
 */
async function readGears(
  holders: NamePage['names'],
  ask: (host: string, names: string[]) => Promise<GearSummary[]>,
): Promise<GearSummary[]> {
  const names = new Map<string, string[]>();
  for (const [name, host] of holders) {
    const some = names.get(host) ?? [];
    names.set(host, some);
    some.push(name);
  }
  const gears = new Map<string, GearSummary>();
  const read = async ([host, some]: [string, string[]]) => {
    const asked = new Set(some);
    for (const gear of await ask(host, some))
      if (asked.has(gear.resource)) gears.set(gear.resource, { ...gear, host });
  };
  await Promise.all([...names].map(read));
  return holders.flatMap(([name]) => gears.get(name) ?? []);
}

/** The part of a summary that only the gear's host knows. */
const notKnown = { image: null, ports: null, enabled: null, systemd: null };

function byName(host: string, names: string[]): GearSummary[] {
  return names.map((resource) => ({ resource, host, unit: `gear-${resource}.service`, ...notKnown }));
}
