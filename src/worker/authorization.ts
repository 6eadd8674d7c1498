import { hash } from 'node:crypto';
import { allowsResource } from '../jobs/access/patterns.ts';
import { type Scope, seesJob } from '../jobs/access/scope.ts';
import type { Change } from '../jobs/change.ts';
import { Failure, tokenInvalid } from '../jobs/errors.ts';
import type { Command } from '../jobs/registry.ts';
import { aboutCopy } from '../jobs/rpc/copy.ts';
import type { Sealed } from '../jobs/rpc/queries.ts';
import { isStreamName, type StreamName } from '../jobs/rpc/streams.ts';
import type { JobRecord } from '../queue/worker-queue.ts';
import { readOrder } from '../requests/authorize.ts';
import { type Envelope, openRequest, sealAnswer } from '../requests/envelope.ts';
import { isJobOrder, type Order, type OrderName, type OrderOf } from '../requests/order.ts';
import { mayReadOn, sourceOf } from '../requests/references.ts';
import type { Purpose } from '../token/seal.ts';
import { isCurrent, isExpired, isPostdated, tenantOf, tokenLabel } from '../token/verifier.ts';
import type { HostOptions } from './host-options.ts';

/**
 * Stands between Redis, the network and this host. Allows only actions that a token from a trusted
 * issuer permits, no matter who wrote the request or where. Writes every refusal to the audit log.
 */
export interface Authorizer {
  /**
   * Authorizes the client's own request in a job and returns its change. Throws `token_invalid`,
   * `token_forbids` or, when only the token has expired and the job is not `known`, `expired`.
   * Rejects with another error while the clock of this host seems to be behind: the job waits.
   */
  job(record: JobRecord, known: (digest: string) => Promise<boolean>): Promise<AuthorizedJob>;
  /** Whether a job would pass. Writes nothing to the audit log. */
  allows(record: JobRecord): Promise<boolean>;
  /** Writes a job that ends without authorizing its request to the audit log, with the reason. */
  auditRejection(record: JobRecord, reason: string): void;
  /** The token in a job's request, as logs name it. Verifies nothing. */
  tokenOf(record: JobRecord): string | undefined;
  /** Whether a sealed request asks to cancel a job, and may: it must see the job's own request. */
  cancels(sealed: string, record: JobRecord): Promise<boolean>;
  /** Authorizes a sealed request for an immediate answer. Its order must have this name. */
  order<N extends OrderName>(sealed: string, name: N): Promise<AuthorizedRead<N>>;
  /** The stream that a sealed request asks for: its own, or the repository that it copies. */
  stream(sealed: string): Promise<AuthorizedStream>;
}

type Owner = ReturnType<typeof ownerOf>;

export interface AuthorizedRead<N extends OrderName> {
  order: OrderOf<N>;
  /** The tenant whose limits it counts against; see tenantOf. */
  tenant: string;
  owner: Owner;
  /** Seals the answer for the caller. */
  seal<T>(answer: T): Sealed<T>;
}

export interface AuthorizedStream {
  name: StreamName;
  /** The tenant whose limits it counts against; see tenantOf. */
  tenant: string;
  owner: Owner;
  /** Arguments from the request, such as the resource. */
  wants: object;
  /** Prepares the source's bytes for sending: seals them when they go to another worker. */
  send(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
}

export interface AuthorizedJob {
  command: Command;
  /** The tenant whose limits it counts against; see tenantOf. */
  tenant: string;
  /** Whether the token allows this name: its job tells of no other resource. */
  sees(resource: string): boolean;
  /** Hash of the request and its token, to recognize them later. */
  digest: string;
}

export type AuthorizerParts = Pick<HostOptions, 'host' | 'sealer' | 'verifier' | 'log'>;

/** A request, the uses that it may have been sealed for, and its job. */
interface SealedRequest {
  sealed: string;
  uses: readonly Purpose['use'][];
  job?: string;
}

export function createAuthorizer(parts: AuthorizerParts): Authorizer {
  const audit = parts.log.child({ audit: true });

  /** Opens a request and checks it. Writes a refusal to the audit log and throws it again. */
  async function audited<T>(
    what: object,
    request: SealedRequest,
    check: (opened: Envelope) => Promise<T>,
  ): Promise<T> {
    let opened: Envelope | undefined;
    try {
      opened = open(parts, request);
      return await check(opened);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const owner = opened && ownerOf(opened, (await parts.verifier.read(opened.token))?.u);
      audit.warn({ ...owner, ...what, code: error.code, reason: error.message }, 'refused');
      throw error;
    }
  }

  return {
    job: (record, known) =>
      audited(about(record), requestOf(record), (opened) => passJob(parts, opened, record, known)),

    allows: (record) =>
      unlessRefused(async () => {
        await passJob(parts, open(parts, requestOf(record)), record, async () => false);
        return true;
      }),

    auditRejection: (record, reason) =>
      audit.warn({ ...about(record), token: tokenIn(parts, record), reason }, 'refused'),

    tokenOf: (record) => tokenIn(parts, record),

    cancels(sealed, record) {
      const { id } = record.job;
      const check = async (opened: Envelope) => {
        const { order } = await pass(parts, opened);
        if (order.name !== 'job.cancel' || order.wants.id !== id) return false;
        // Also a job whose issuer was revoked since it began.
        if (seesAllJobs(order.scope)) return true;
        // A writer of Redis may give the record any user and resource: the job's request counts.
        await passChange(parts, open(parts, requestOf(record)), record);
        return seesJob(order.scope, record.job);
      };
      return unlessRefused(() => audited({ job: id }, { sealed, uses: ['cancel'], job: id }, check));
    },

    order: (sealed, name) =>
      audited({ question: name }, { sealed, uses: ['answer'] }, async (opened) => {
        const { order, tenant, owner } = await passNow(parts, opened);
        if (!isNamed(order, name)) throw notWhatItAsks();
        const asked = { host: parts.host, sealed, token: opened.token };
        return { order, tenant, owner, seal: (answer) => sealAnswer(parts.sealer, answer, asked) };
      }),

    stream: (sealed) =>
      audited(
        { question: 'stream' },
        { sealed, uses: ['answer', 'copy'] },
        async (opened) => (await passCopy(parts, opened)) ?? passStream(parts, opened),
      ),
  };
}

/** False when the request is refused. Rejects with any other error: that decides nothing. */
async function unlessRefused(check: () => Promise<boolean>): Promise<boolean> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}

/** The fields of a job in the audit log. */
const about = ({ job: { id, user }, origin }: JobRecord) => ({ job: id, user, ...origin });

/** Opens a request that was sealed for this host and one of these uses. Throws `token_invalid`. */
function open({ sealer, host }: AuthorizerParts, { sealed, uses, job }: SealedRequest): Envelope {
  for (const use of uses) {
    const opened = openRequest(sealer, sealed, { use, host, ...(job && { job }) });
    if (opened) return opened;
  }
  throw tokenInvalid();
}

const requestOf = ({ sealed, job }: JobRecord): SealedRequest => ({ sealed, uses: ['job'], job: job.id });

function tokenIn({ sealer, host }: AuthorizerParts, { sealed, job }: JobRecord): string | undefined {
  const opened = openRequest(sealer, sealed, { use: 'job', host, job: job.id });
  return opened ? tokenLabel(opened.token) : undefined;
}

/** Whether a scope for this host includes every job on it. */
const seesAllJobs = ({ u, r, types }: Scope) => u === undefined && r === undefined && types === undefined;

/** The user and the origin of a request, for logs. */
const ownerOf = ({ token, origin }: Envelope, user: string | undefined) => ({
  user,
  token: tokenLabel(token),
  ...origin,
});

/**
 * Derives a request's order from a token of a trusted issuer, expired or not. `tenant`: the tenant
 * whose limits it counts against; see tenantOf.
 */
async function read({ verifier }: AuthorizerParts, opened: Envelope) {
  const { order, claims } = await readOrder(opened, verifier);
  return { order, claims, tenant: tenantOf(claims, opened.token), owner: ownerOf(opened, order.all.u) };
}

/** The same, for a request to this host. */
async function pass(parts: AuthorizerParts, opened: Envelope) {
  const passed = await read(parts, opened);
  const { h: host } = passed.order.scope;
  if (host !== undefined && host !== parts.host) throw forAnotherHost();
  return passed;
}

/** The same, for the request of a job, whose record must say what the request does. */
async function passChange(parts: AuthorizerParts, opened: Envelope, record: JobRecord) {
  const { order, claims, tenant } = await pass(parts, opened);
  if (!isJobOrder(order) || !isSame(order.wants, record, parts.host))
    throw new Failure('token_forbids', 'the job does not match its request');
  return { order, claims, tenant };
}

async function passJob(
  parts: AuthorizerParts,
  opened: Envelope,
  record: JobRecord,
  known: (digest: string) => Promise<boolean>,
): Promise<AuthorizedJob> {
  const { order, claims, tenant } = await passChange(parts, opened, record);
  const digest = hash('sha256', JSON.stringify([opened.token, opened.request]), 'base64url');
  if (isExpired(claims, now()) && !(await known(digest))) {
    const detail = 'the token expired before the host took the job; use one with a longer lifetime';
    throw new Failure('expired', detail);
  }
  if (isPostdated(claims, now()) && !(await known(digest))) throw ofLaterTime(claims, now());
  const sees = (resource: string) => allowsResource(claims.r, resource);
  return { command: order.wants.command, tenant, sees, digest };
}

/** The same, for an immediate answer: neither the request nor its token may have expired. */
async function passNow(parts: AuthorizerParts, opened: Envelope) {
  assertNotStale(opened);
  const passed = await pass(parts, opened);
  if (!isCurrent(passed.claims, now(), parts.verifier.lifetimes)) throw tokenInvalid();
  return passed;
}

async function passStream(parts: AuthorizerParts, opened: Envelope): Promise<AuthorizedStream> {
  const { order, tenant, owner } = await passNow(parts, opened);
  const { name, wants } = order;
  if (!isStreamName(name)) throw notWhatItAsks();
  return { name, tenant, owner, wants, send: (body) => body };
}

/** The stream for a copy that a request makes from this host; null when it makes none. */
async function passCopy(parts: AuthorizerParts, opened: Envelope): Promise<AuthorizedStream | null> {
  const { order, claims, tenant, owner } = await read(parts, opened);
  const source = sourceOf(order);
  if (source === null || !isJobOrder(order)) return null;
  assertNotStale(opened);
  if (!mayReadOn(claims, parts.host)) throw forAnotherHost();
  if (isPostdated(claims, now())) throw ofLaterTime(claims, now());
  if (isExpired(claims, now()))
    throw new Failure(
      'expired',
      'the token expired before the source host read the repository; use one with a longer lifetime',
    );
  const about = aboutCopy(order.wants.id, source);
  const send: AuthorizedStream['send'] = (body) => parts.sealer.sealStream(body, opened.token, about);
  return { name: 'repository.bundle', tenant, owner, wants: { resource: source }, send };
}

/** Seconds by which a host's clock may be behind before its time is set, as after a boot. */
const behindAtMost = 86_400;

/**
 * The error for a token of a later time. It refuses nothing while it is more likely that the clock
 * of this host is behind: then the job waits.
 */
const ofLaterTime = ({ iat = 0 }: { iat?: number | undefined }, time: number) =>
  iat - time > behindAtMost ? tokenInvalid() : new Error('the token is of a later time: the clock is behind');

function isNamed<N extends OrderName>(order: Order, name: N): order is Order & OrderOf<N> {
  return order.name === name;
}

/** Seconds since the epoch. */
const now = () => Date.now() / 1000;

function assertNotStale({ until }: Envelope): void {
  if (until === null || until < Date.now()) throw tokenInvalid();
}

const forAnotherHost = () => new Failure('token_forbids', 'the request is for another host');
const notWhatItAsks = () => new Failure('token_forbids', 'the query does not match its request');

function isSame({ id, user, command, fingerprint }: Change, record: JobRecord, host: string): boolean {
  const { job } = record;
  return (
    job.id === id &&
    job.host === host &&
    job.user === user &&
    job.type === command.type &&
    job.resource === command.params.resource &&
    record.fingerprint === fingerprint
  );
}
