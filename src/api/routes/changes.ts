import type { IRouter } from 'express';
import { z } from 'zod';
import { cloneUrl } from '../../jobs/clone-url.ts';
import { gearBody } from '../../jobs/container.ts';
import { environmentBody } from '../../jobs/environment.ts';
import { imageReference } from '../../jobs/identifier.ts';
import type { Command } from '../../jobs/registry.ts';
import type { Front } from '../../queue/open-front.ts';
import { bodyOf, readBody } from '../body.ts';
import { checked, parametersOf, required } from '../parameters.ts';
import { wantsCreateOnly } from '../preferences.ts';
import { named } from '../request-context.ts';
import { submit } from '../submit.ts';

const emptyBody = z.strictObject({});

type OnGear = Extract<Command['type'], `container.${string}`>;

/** Changes of a gear that need nothing but its name. */
const onGear: { method: 'put' | 'delete'; path: string; type: Exclude<OnGear, 'container.install'> }[] = [
  { method: 'put', path: '/container/started', type: 'container.start' },
  { method: 'put', path: '/container/stopped', type: 'container.stop' },
  { method: 'put', path: '/container/restarted', type: 'container.restart' },
  { method: 'delete', path: '/container', type: 'container.remove' },
];

const onEnvironment = [
  { method: 'put', type: 'environment.replace' },
  { method: 'patch', type: 'environment.merge' },
] as const;

/** Requests that become jobs. */
export function changes(routes: IRouter, front: Front): void {
  routes.put('/container', named('container.install'), readBody, async (req, res) => {
    const all = parametersOf(req);
    const { start, ...body } = bodyOf(req, gearBody);
    const spec = { ...body, image: checked(imageReference, required(all, 't')) };
    const params = { resource: required(all, 'r'), spec, start, createOnly: wantsCreateOnly(req) };
    await submit(front, req, res, all, { type: 'container.install', params }, { ...body, start });
  });
  routes.put('/repository', named('repository.create'), readBody, async (req, res) => {
    const all = parametersOf(req);
    const body = bodyOf(req, emptyBody);
    const params = { resource: required(all, 'r'), url: all.t ? checked(cloneUrl, all.t) : null };
    await submit(front, req, res, all, { type: 'repository.create', params }, body);
  });
  for (const { method, type } of onEnvironment) {
    routes[method]('/environment', named(type), readBody, async (req, res) => {
      const all = parametersOf(req);
      const body = bodyOf(req, environmentBody);
      const params = { resource: required(all, 'r'), ...body };
      await submit(front, req, res, all, { type, params }, body);
    });
  }
  for (const { method, path, type } of onGear) {
    routes[method](path, named(type), readBody, async (req, res) => {
      const all = parametersOf(req);
      const body = bodyOf(req, emptyBody);
      await submit(front, req, res, all, { type, params: { resource: required(all, 'r') } }, body);
    });
  }
}
