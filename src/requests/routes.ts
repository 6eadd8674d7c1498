import { hash } from 'node:crypto';
import { z } from 'zod';
import type { Action } from '../jobs/actions.ts';
import type { Change } from '../jobs/change.ts';
import { Failure } from '../jobs/errors.ts';
import { imageReference, refName } from '../jobs/fields/identifier.ts';
import { parseRequestId } from '../jobs/fields/request-id.ts';
import type { Command, JobType } from '../jobs/registry.ts';
import { repositorySource } from '../jobs/rpc/copy.ts';
import { gearBody } from '../jobs/types/container.ts';
import { environmentBody } from '../jobs/types/environment.ts';
import { parseBody } from './body.ts';
import type { OrderName, Wants } from './order.ts';
import type { methods, OriginalRequest } from './original.ts';
import { checked, type Parameters, requestIdOf, required } from './parameters.ts';

/** Lines of history and seconds of following that a log has when nothing is said. */
const defaultLines = 100;
const defaultSeconds = 30;

/** Seconds for which a job waits for its host when nothing is said. */
const defaultWait = 24 * 60 * 60;

/** A request whose parameters the token has been heard on. */
export interface RouteInput {
  request: OriginalRequest;
  all: Parameters;
  /** What the path's pattern has found. */
  found: string;
}

/** One kind of request: how it is recognised, what a token must allow for it, and what it wants. */
export interface Route<N extends OrderName = OrderName> {
  name: N;
  action: Action;
  method: (typeof methods)[number];
  /** The path, or a pattern whose first group is its variable part. */
  path: string | RegExp;
  /** It is about a host and all that is on it, not about one resource. */
  ofHost?: true;
  wants(asked: RouteInput): Wants[N];
}

const emptyBody = z.strictObject({});

const resource = ({ all }: RouteInput) => ({ resource: required(all, 'r') });
const job = ({ found }: RouteInput) => ({ id: parseRequestId(found) });
const host = ({ all }: RouteInput) => ({ host: required(all, 'h') });
const nothing = () => ({});

function route<N extends OrderName>(
  method: Route['method'],
  path: Route['path'],
  name: N,
  action: Action,
  wants: Route<N>['wants'],
): Route<N> {
  return { name, action, method, path, wants };
}

/** A request that becomes a job: `read` makes the command, and says what of the body counts for its identity. */
function change<T extends JobType>(
  method: Route['method'],
  path: string,
  type: T,
  read: (asked: RouteInput) => { params: Extract<Command, { type: T }>['params']; body: unknown },
): Route {
  const wants = (asked: RouteInput): Change => {
    const { request, all } = asked;
    const { params, body } = read(asked);
    const id = requestIdOf(all, request.key);
    const user = required(all, 'u');
    // JSON writes what is left out in an array as null.
    const identity = JSON.stringify([user, method, path, all.r, all.t, all.h, body]);
    const command = { type, params } as unknown as Command;
    const { expires = defaultWait } = all;
    return { id, user, command, expires, fingerprint: hash('sha256', identity, 'base64url') };
  };
  return { name: type, action: type, method, path, wants } as unknown as Route;
}

const install = (asked: RouteInput) => {
  const { start, ...body } = parseBody(asked.request.body, gearBody);
  const spec = { ...body, image: checked(imageReference, required(asked.all, 't')) };
  const params = { ...resource(asked), spec, start, createOnly: createOnly(asked.request) };
  return { params, body: { ...body, start } };
};

const repository = (asked: RouteInput) => {
  const body = parseBody(asked.request.body, emptyBody);
  const { t } = asked.all;
  return { params: { ...resource(asked), url: t ? checked(repositorySource, t) : null }, body };
};

const environment = (asked: RouteInput) => {
  const body = parseBody(asked.request.body, environmentBody);
  return { params: { ...resource(asked), ...body }, body };
};

const onGear = (asked: RouteInput) => {
  const body = parseBody(asked.request.body, emptyBody);
  return { params: resource(asked), body };
};

const onHost = (asked: RouteInput) => {
  const body = parseBody(asked.request.body, emptyBody);
  return { params: { resource: required(asked.all, 'h') }, body };
};

const containerLog = (asked: RouteInput) => {
  const { lines = defaultLines, for: seconds = defaultSeconds } = asked.all;
  return { ...resource(asked), lines, seconds };
};

const archive = (asked: RouteInput) => ({
  ...resource(asked),
  ref: refOf(asked),
  format: asked.all.format ?? 'zip',
});

/** All there is, the most frequent first. */
export const routes: readonly Route[] = [
  change('PUT', '/container', 'container.install', install),
  change('PUT', '/container/started', 'container.start', onGear),
  change('PUT', '/container/stopped', 'container.stop', onGear),
  change('PUT', '/container/restarted', 'container.restart', onGear),
  change('DELETE', '/container', 'container.remove', onGear),
  change('PUT', '/repository', 'repository.create', repository),
  change('PUT', '/environment', 'environment.replace', environment),
  change('PATCH', '/environment', 'environment.merge', environment),
  { ...change('PUT', '/host/draining', 'host.drain', onHost), ofHost: true },
  { ...change('PUT', '/host/live', 'host.undrain', onHost), ofHost: true },
  { ...change('PUT', '/host/repaired', 'host.repair', onHost), ofHost: true },
  route('GET', '/container', 'container.read', 'container.read', resource),
  route('GET', '/containers', 'container.list', 'container.read', nothing),
  route('GET', '/container/log', 'container.log', 'container.log', containerLog),
  route('PUT', '/container/log', 'container.log', 'container.log', containerLog), // As the seed writes it.
  route('GET', /^\/content(?:\/(.*))?$/, 'content.archive', 'content.read', archive),
  route('GET', /^\/job\/([^/]+)$/, 'job.read', 'job.read', job),
  route('GET', /^\/job\/([^/]+)\/log$/, 'job.log', 'job.log', job),
  route('DELETE', /^\/job\/([^/]+)$/, 'job.cancel', 'job.cancel', job),
  route('GET', '/jobs', 'job.list', 'job.read', nothing),
  { ...route('DELETE', '/host', 'host.remove', 'host.remove', host), ofHost: true },
  route('GET', '/hosts', 'host.list', 'host.read', nothing),
  { ...route('GET', '/drift', 'drift.read', 'host.read', nothing), ofHost: true },
];

/** `content` is of two kinds, told apart by its type. */
export const environmentContent = route(
  'GET',
  '/content',
  'environment.read',
  'environment.read',
  (asked) => {
    if (asked.found !== '') throw new Failure('invalid_request', 't=env takes no path behind content');
    return resource(asked);
  },
);

/** `If-None-Match: *`, the only precondition there is. */
function createOnly({ ifNoneMatch }: OriginalRequest): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  throw new Failure('invalid_request', 'If-None-Match can only be *');
}

/** The ref behind `/content/`, which may hold slashes; null: none. */
function refOf({ found }: RouteInput): string | null {
  if (found === '') return null;
  try {
    return checked(refName, decodeURIComponent(found));
  } catch (error) {
    throw error instanceof Failure ? error : new Failure('invalid_request', 'the path cannot be read');
  }
}
