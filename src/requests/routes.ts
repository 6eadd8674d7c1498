import { hash } from 'node:crypto';
import type { Action } from '../jobs/actions.ts';
import type { Change } from '../jobs/change.ts';
import { checked } from '../jobs/checked.ts';
import {
  type JobDefinition,
  nameParameter,
  type ReadDefinition,
  type ReadInput,
  requiresT,
} from '../jobs/define.ts';
import { Failure } from '../jobs/errors.ts';
import { type Parameters, requestIdOf, required } from '../jobs/parameters.ts';
import {
  aliases,
  type Command,
  type JobType,
  jobs,
  jobTypes,
  type ReadName,
  readNames,
  reads,
} from '../jobs/registry.ts';
import { parseBody } from './body.ts';
import type { OrderName, Wants } from './order.ts';
import type { OriginalRequest } from './original.ts';

/** Default time that a job waits for its host, in seconds. */
const defaultWait = 24 * 60 * 60;

/** A request whose parameters were checked against the claims of its token. */
export interface RouteInput extends ReadInput {
  request: OriginalRequest;
}

/**
 * A kind of request, from its definition: how to recognise it, what a token must allow for it, and
 * its wants.
 */
export interface Route<N extends OrderName = OrderName> {
  name: N;
  /** Null: any valid token will do. */
  action: Action | null;
  method: OriginalRequest['method'];
  /** Its path, or a pattern for it whose first group is the variable part. */
  path: string | RegExp;
  /** Its path as a URI template. */
  template: string;
  /** The `t` that distinguishes it from others with the same path; null: there are no others. */
  t: string | null;
  /** It concerns a host and everything on it, not one resource. */
  ofHost?: boolean;
  wants(input: RouteInput): Wants[N];
}

/** All routes, from the definitions. */
export const routes: readonly Route[] = [
  ...jobTypes.map(changeRoute),
  ...readNames.map((name) => readRoute(name, reads[name])),
  ...aliases.map(([name, definition]) => readRoute(name, definition)),
];

/** The routes for a method and a path: one, or several that `t` distinguishes. */
export interface RouteMatch {
  candidates: readonly [Route, ...Route[]];
  /** The variable part of the path; empty if there is none. */
  found: string;
}

/** Finds the routes for a method and a path. Throws `not_found` or `method_not_allowed`. */
export function matchRoute({ method, path }: Pick<OriginalRequest, 'method' | 'path'>): RouteMatch {
  const [first, ...others] = routes.filter((one) => one.method === method && find(one, path) !== null);
  if (first) return { candidates: [first, ...others], found: find(first, path) ?? '' };
  const allowed = methodsOf(path);
  if (allowed.length === 0)
    throw new Failure('not_found', 'there is nothing at this path; docs/api.md lists all paths');
  throw new Failure('method_not_allowed', `this path takes ${allowed.join(', ')}`);
}

/** The methods that a path supports; none for an unknown path. */
export function methodsOf(path: string): string[] {
  return [...new Set(routes.filter((route) => find(route, path) !== null).map(({ method }) => method))];
}

/** The variable part of a path; null when the route has another path. */
function find({ path: pattern }: Route, path: string): string | null {
  if (typeof pattern === 'string') return pattern === path ? '' : null;
  const matched = pattern.exec(path);
  return matched ? (matched[1] ?? '') : null;
}

/** The one route that `t` selects. Throws `invalid_request` when it selects none. */
export function selectRoute({ candidates }: RouteMatch, { t }: Parameters): Route {
  const [first] = candidates;
  const route = first.t === null ? first : candidates.find((one) => one.t === t);
  if (route) return route;
  const types = candidates.map((one) => one.t).join(' or ');
  throw new Failure(
    'invalid_request',
    t === undefined ? 't is missing; add it to the query' : `t must be ${types}`,
  );
}

function readRoute(name: ReadName, { path, select, ...definition }: ReadDefinition): Route {
  return { ...definition, name, path: matcherOf(path), template: path, t: select?.t ?? null } as Route;
}

/** A request that becomes a job. */
function changeRoute(type: JobType): Route {
  const definition: JobDefinition = jobs[type];
  const { method, path, on } = definition;
  const wants = ({ request, all }: RouteInput): Change => {
    const body = parseBody(request.body, definition.body);
    const t = typeOf(definition, all);
    const resource = required(all, nameParameter(on));
    const createOnly = definition.ifNoneMatch === true && isCreateOnly(request);
    const params = { ...definition.paramsOf({ t, body, createOnly }), resource };
    const id = requestIdOf(all, request.key);
    const user = required(all, 'u');
    // In an array, JSON writes undefined as null.
    const identity = JSON.stringify([user, method, path, all.r, all.t, all.h, body]);
    const { expires = defaultWait } = all;
    const fingerprint = hash('sha256', identity, 'base64url');
    return { id, user, command: { type, params } as Command, expires, fingerprint };
  };
  const place = { method, path: matcherOf(path), template: path };
  return { name: type, action: type, ...place, t: null, ofHost: on === 'host', wants };
}

/** `t` as parsed by a definition. Throws `invalid_request` when it is missing or wrong. */
function typeOf(definition: JobDefinition, all: Parameters): unknown {
  const { t } = definition;
  if (t === undefined || (!all.t && !requiresT(definition))) return undefined;
  return checked(t, required(all, 't'));
}

/** `If-None-Match: *`, the only precondition there is. */
function isCreateOnly({ ifNoneMatch }: OriginalRequest): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  throw new Failure('invalid_request', 'If-None-Match must be *');
}

/** A pattern for the paths of a URI template; the template itself if it has no variable part. */
function matcherOf(template: string): string | RegExp {
  if (!template.includes('{')) return template;
  const pattern = template.replace(/\{\/\w+\*\}/, '(?:/(.*))?').replace(/\{\w+\}/, '([^/]+)');
  return new RegExp(`^${pattern}$`);
}
