import { Failure } from '../../jobs/errors.ts';
import type { GearSummary } from '../../jobs/gear.ts';
import type { Front } from '../../queue/open-front.ts';
import type { Parameters } from '../../requests/parameters.ts';
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
export function reads(front: Front): Reads {
  return {
    async 'container.read'(req, res, { all, wants }) {
      const host = await holderOf(front, 'gear', wants.resource, all.h);
      const sealed = contextOf(req).seal(host, 'answer');
      sendJson(res, 200, await front.ask(host, 'container.read', sealed, {}));
    },

    async 'container.list'(req, res, { all, scope }) {
      const gears = await allGears(front, contextOf(req), all.h);
      const seen = gears.filter(({ resource }) => seesResource(scope, resource));
      sendJson(res, 200, { containers: page(seen, all) });
    },

    async 'environment.read'(req, res, { all, wants }) {
      const host = await holderOf(front, 'environment', wants.resource, all.h);
      const variables = await front.ask(host, 'environment.read', contextOf(req).seal(host, 'answer'), {});
      // JSON's string is what the contract's NAME="value" becomes when a value has quotes and line breaks.
      const lines = variables.map(({ name, value }) => `${name}=${JSON.stringify(value)}\n`);
      sendText(res, 200, lines.join(''), 'text/plain');
    },

    async 'host.list'(_req, res, { all: { after = '', limit = usualLimit }, scope }) {
      const hosts = (await front.hosts())
        .filter(({ name }) => name > after && (scope.h === undefined || name === scope.h))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .slice(0, limit)
        .map(({ name, state, gears, version, lastSeen }) => ({
          name,
          state,
          gears,
          version,
          lastSeen: lastSeen === 0 ? null : new Date(lastSeen).toISOString(),
        }));
      sendJson(res, 200, { hosts });
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
        front.ask(host, 'drift.read', seal(host, 'answer'), {}, driftDeadline).catch(() => null);
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

/** The gears of the fleet, or of one host. Those of a host that does not answer are shown without their state. */
async function allGears(front: Front, { seal }: RequestContext, only?: string): Promise<GearSummary[]> {
  const asked = only === undefined ? await front.hosts() : [await existing(front, only)];
  const ask = (host: string) => front.ask(host, 'container.list', seal(host, 'answer'), {});
  const lists = await Promise.all(
    asked.map(async ({ name, state }) => {
      const answer = state === 'gone' ? null : await ask(name).catch(() => null);
      return answer ?? byName(name, await front.held(name, 'gear'));
    }),
  );
  return lists.flat().sort((a, b) => (a.resource < b.resource ? -1 : 1));
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

function page(gears: GearSummary[], { limit, after }: Parameters): GearSummary[] {
  const rest = after === undefined ? gears : gears.filter(({ resource }) => resource > after);
  return rest.slice(0, limit ?? usualLimit);
}
