import type { IRouter } from 'express';
import { z } from 'zod';
import { gearBody } from '../../jobs/container.ts';
import { Failure } from '../../jobs/errors.ts';
import { imageReference } from '../../jobs/identifier.ts';
import type { Command } from '../../jobs/registry.ts';
import type { Front } from '../../queue/open-front.ts';
import { bodyOf, readBody } from '../body.ts';
import { parametersOf, required } from '../parameters.ts';
import { wantsCreateOnly } from '../preferences.ts';
import { named } from '../request-context.ts';
import { submit } from '../submit.ts';

const emptyBody = z.strictObject({});

type OnGear = Exclude<Command['type'], 'container.install'>;

/** Changes of a gear that need nothing but its name. */
const onGear: { method: 'put' | 'delete'; path: string; type: OnGear }[] = [
  { method: 'put', path: '/container/started', type: 'container.start' },
  { method: 'put', path: '/container/stopped', type: 'container.stop' },
  { method: 'put', path: '/container/restarted', type: 'container.restart' },
  { method: 'delete', path: '/container', type: 'container.remove' },
];

/** Requests that become jobs. */
export function changes(routes: IRouter, front: Front): void {
  routes.put('/container', named('container.install'), readBody, async (req, res) => {
    const all = parametersOf(req);
    const { start, ...body } = bodyOf(req, gearBody);
    const spec = { ...body, image: imageOf(required(all, 't')) };
    const params = { resource: required(all, 'r'), spec, start, createOnly: wantsCreateOnly(req) };
    await submit(front, req, res, all, { type: 'container.install', params }, { ...body, start });
  });
  for (const { method, path, type } of onGear) {
    routes[method](path, named(type), readBody, async (req, res) => {
      const all = parametersOf(req);
      const body = bodyOf(req, emptyBody);
      await submit(front, req, res, all, { type, params: { resource: required(all, 'r') } }, body);
    });
  }
}

function imageOf(text: string): string {
  const image = imageReference.safeParse(text);
  if (!image.success)
    throw new Failure('invalid_request', image.error.issues[0]?.message ?? 't is not valid');
  return image.data;
}
