import type { IRouter } from 'express';
import { Failure } from '../../jobs/errors.ts';
import type { GearSummary } from '../../jobs/gear.ts';
import type { Front } from '../../queue/open-front.ts';
import { type Parameters, parametersOf, required } from '../parameters.ts';
import { holderOf } from '../placement.ts';
import { contextOf, named } from '../request-context.ts';
import { sendJson } from '../respond.ts';

/** Reads of gears and hosts. They ask the workers, who look at systemd and Docker: the answer is what is so now. */
export function reads(routes: IRouter, front: Front): void {
  routes.get('/container', named('container.read'), async (req, res) => {
    const all = parametersOf(req);
    const resource = required(all, 'r');
    contextOf(req).log.resource = resource;
    const host = await holderOf(front, 'gear', resource, all.h);
    sendJson(res, 200, await front.ask(host, 'container.read', { resource }));
  });

  routes.get('/containers', named('container.list'), async (req, res) => {
    const all = parametersOf(req);
    sendJson(res, 200, { containers: page(await allGears(front, all.h), all) });
  });

  routes.get('/hosts', named('host.list'), async (req, res) => {
    parametersOf(req);
    const hosts = (await front.hosts()).map(({ name, state, gears, version, lastSeen }) => ({
      name,
      state,
      gears,
      version,
      lastSeen: lastSeen === 0 ? null : new Date(lastSeen).toISOString(),
    }));
    sendJson(res, 200, { hosts: hosts.sort((a, b) => (a.name < b.name ? -1 : 1)) });
  });
}

/** The gears of the fleet, or of one host. Those of a host that does not answer are shown without their state. */
async function allGears(front: Front, only: string | undefined): Promise<GearSummary[]> {
  const [hosts, directory] = await Promise.all([front.hosts(), front.holders('gear')]);
  if (only !== undefined && !hosts.some(({ name }) => name === only)) {
    throw new Failure('host_not_found', `there is no host ${only}`);
  }
  const asked = hosts.filter(({ name }) => only === undefined || name === only);
  const lists = await Promise.all(
    asked.map(async ({ name, state }) => {
      const answer = state === 'live' ? await front.ask(name, 'container.list', {}).catch(() => null) : null;
      return answer ?? fromDirectory(directory, name);
    }),
  );
  return lists.flat().sort((a, b) => (a.resource < b.resource ? -1 : 1));
}

function fromDirectory(directory: Map<string, string>, host: string): GearSummary[] {
  const held = [...directory].filter(([, holder]) => holder === host);
  return held.map(([resource]) => ({
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
  return rest.slice(0, limit ?? 100);
}
