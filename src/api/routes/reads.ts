import { Failure } from '../../jobs/errors.ts';
import type { GearSummary } from '../../jobs/gear.ts';
import type { UserLimits } from '../../jobs/limits.ts';
import type { Front } from '../../queue/open-front.ts';
import { seesResource } from '../../requests/scope.ts';
import type { OrderHandlers } from '../dispatch.ts';
import { existing, holderOf } from '../placement.ts';
import { contextOf, type RequestContext } from '../request-context.ts';
import { sendJson, sendText } from '../respond.ts';

type Reads = Pick<
  OrderHandlers,
  'container.read' | 'container.list' | 'environment.read' | 'host.list' | 'host.remove' | 'drift.read'
>;

/** Milliseconds a worker may take to compare all it has. */
const driftDeadline = 15_000;

/** How many of a list are sent where nothing is said. */
const usualLimit = 100;

/** Reads of gears and hosts. They ask the workers, who look at systemd and Docker: the answer is what is so now. */
export function reads(front: Front, limits: UserLimits): Reads {
  return {
    async 'container.read'(req, res, { all, wants }) {
      const host = await holderOf(front, 'gear', wants.resource, all.h);
      const sealed = contextOf(req).seal({ use: 'answer', host });
      sendJson(res, 200, await front.ask(host, 'container.read', sealed, {}));
    },

    async 'container.list'(req, res, { all, scope }) {
      if (all.h !== undefined) await existing(front, all.h);
      const holders = [...(await front.holders('gear'))]
        .filter(([name, host]) => seesResource(scope, name) && (all.h ?? host) === host)
        .filter(([name]) => all.after === undefined || name > all.after)
        .sort(([a], [b]) => (a < b ? -1 : 1));
      sendJson(res, 200, { containers: await firstGears(front, contextOf(req), holders, all.limit) });
    },

    async 'environment.read'(req, res, { all, wants }) {
      const host = await holderOf(front, 'environment', wants.resource, all.h);
      const variables = await front.ask(
        host,
        'environment.read',
        contextOf(req).seal({ use: 'answer', host }),
        {},
      );
      // JSON's string is what the contract's NAME="value" becomes when a value has quotes and line breaks.
      const lines = variables.map(({ name, value }) => `${name}=${JSON.stringify(value)}\n`);
      sendText(res, 200, lines.join(''), 'text/plain');
    },

    async 'host.list'(_req, res, { all: { after = '', limit = usualLimit }, scope }) {
      const hosts = (await front.hosts())
        .filter(({ name }) => name > after && (scope.h === undefined || name === scope.h))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .slice(0, limit)
        .map(({ name, state, gears, limits: granted, version, lastSeen }) => ({
          name,
          state,
          gears,
          limits: granted,
          version,
          lastSeen: lastSeen === 0 ? null : new Date(lastSeen).toISOString(),
        }));
      sendJson(res, 200, { hosts, limits });
    },

    async 'host.remove'(_req, res, { wants: { host } }) {
      const { state } = await existing(front, host);
      if (state !== 'gone')
        throw new Failure(
          'invalid_request',
          `the host ${host} is ${state}; stop its worker before it is removed`,
        );
      sendJson(res, 200, { host, removed: await front.removeHost(host) });
    },

    async 'drift.read'(req, res, { all }) {
      const { seal } = contextOf(req);
      const asked = all.h === undefined ? await front.hosts() : [await existing(front, all.h)];
      const ask = (host: string) =>
        front.ask(host, 'drift.read', seal({ use: 'answer', host }), {}, driftDeadline).catch(() => null);
      const hosts = await Promise.all(
        asked.map(async ({ name, state }) => ({
          host: name,
          drift: state === 'gone' ? null : await ask(name),
        })),
      );
      sendJson(res, 200, { hosts: hosts.sort((a, b) => (a.host < b.host ? -1 : 1)) });
    },
  };
}

/**
 * The first gears of some names and their hosts. Only hosts of those are asked; what is not yet on its host, or no longer,
 * is left out, and what lies on one that does not answer is shown without its state.
 */
async function firstGears(
  front: Front,
  { seal }: RequestContext,
  holders: [name: string, host: string][],
  limit = usualLimit,
): Promise<GearSummary[]> {
  const states = new Map((await front.hosts()).map(({ name, state }) => [name, state]));
  const ask = async (host: string, names: string[]) => {
    const isGone = (states.get(host) ?? 'gone') === 'gone';
    const answer = isGone
      ? null
      : await front.ask(host, 'container.list', seal({ use: 'answer', host }), { names }).catch(() => null);
    if (answer) return answer;
    const held = new Set(await front.held(host, 'gear'));
    return byName(
      host,
      names.filter((name) => held.has(name)),
    );
  };
  const found: GearSummary[] = [];
  for (let at = 0; at < holders.length && found.length < limit; ) {
    const chunk = holders.slice(at, at + limit - found.length);
    at += chunk.length;
    const names = new Map<string, string[]>();
    for (const [name, host] of chunk) names.set(host, [...(names.get(host) ?? []), name]);
    const answers = await Promise.all([...names].map(([host, some]) => ask(host, some)));
    const gears = new Map(answers.flat().map((gear) => [gear.resource, gear]));
    found.push(...chunk.flatMap(([name]) => gears.get(name) ?? []));
  }
  return found;
}

function byName(host: string, names: string[]): GearSummary[] {
  return names.map((resource) => ({
    resource,
    host,
    unit: `gear-${resource}.service`,
    image: null,
    ports: null,
    enabled: null,
    systemd: null,
  }));
}
