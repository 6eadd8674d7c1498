import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { checked } from '../../jobs/checked.ts';
import { Failure, problemOf } from '../../jobs/errors.ts';
import { directPath, directRequest, headHeader } from '../../jobs/rpc/direct.ts';
import { pump } from '../../lib/async/pump.ts';
import { type Listening, listen } from '../../lib/http/listen.ts';
import { namedHost } from '../../lib/http/named-host.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { Authorizer } from '../authorization.ts';
import type { Sources } from './open-source.ts';

/** Maximum bytes of a request; see jobs/rpc/direct.ts. */
const maxBytes = 64 * 1024;

export interface StreamServerParts {
  host: string;
  sources: Sources;
  authorizer: Authorizer;
  log: Logger;
}

/**
 * The worker's own port, from which an api fetches streams directly. Every HTTP request carries the
 * client's own request.
 */
export function openStreamServer(
  parts: StreamServerParts,
  place: { host: string; port: number },
): Promise<Listening> {
  const server = createServer((req, res) => void answer(parts, req, res));
  return listen(server, place, parts.log);
}

async function answer(parts: StreamServerParts, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => gone.abort(new Error('the api has closed the connection')));
  let { log } = parts;
  try {
    const { sealed, how } = await readRequest(req);
    const stream = await parts.authorizer.stream(sealed);
    log = log.child(stream.owner);
    const { head, body } = await parts.sources.open(stream, how, gone.signal);
    res.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      [headHeader]: Buffer.from(JSON.stringify(head)).toString('base64url'),
    });
    res.flushHeaders();
    await pump(body, res, gone.signal);
  } catch (error) {
    if (res.headersSent || gone.signal.aborted)
      log.debug({ reason: (error as Error).message }, 'a stream was broken off');
    else refuse(parts.host, log, res, error);
  }
}

/**
 * Rejects a request that a web page sends: with the test token a page needs no secret, and a
 * browser on this machine reaches loopback. Apis know a worker by its address; a name may have been
 * pointed at it (DNS rebinding). Throws `token_forbids`.
 */
function assertNoPage({ headers: { host, origin } }: IncomingMessage): void {
  const name = namedHost(host);
  const isAddress = isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;
  if (origin === undefined && (isAddress || name === 'localhost')) return;
  throw new Failure('token_forbids', 'this port sends streams to apis, and not to web pages');
}

async function readRequest(req: IncomingMessage): Promise<z.infer<typeof directRequest>> {
  if (req.method !== 'POST' || req.url !== directPath)
    throw new Failure('not_found', 'this port sends streams to apis only');
  assertNoPage(req);
  const said = parseJson(await readText(req));
  return checked(directRequest, said, () => 'the request does not come from an api');
}

async function readText(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxBytes) throw new Failure('body_too_large', 'the request is too large');
  }
  return Buffer.concat(chunks).toString('utf8');
}

function refuse(host: string, log: Logger, res: ServerResponse, error: unknown): void {
  const unexpected = new Failure('internal', 'the worker could not open the stream');
  const { code, message, limit } = error instanceof Failure ? error : unexpected;
  if (code === 'internal') log.error({ err: error }, 'a stream could not be opened');
  const problem = problemOf(code, message, { host, ...(limit && { limit }) });
  res.writeHead(problem.status, { 'Content-Type': 'application/problem+json' });
  res.end(JSON.stringify(problem));
}
