import { promisify } from 'node:util';
import express, { type Request, type Response } from 'express';
import { Failure } from '../../jobs/errors.ts';
import { maxBody } from '../../requests/original.ts';

/** Reads a body of any Content-Type: `curl -d` sends application/x-www-form-urlencoded. */
const raw = promisify(express.raw({ type: () => true, limit: maxBody, inflate: false }));

/**
 * Reads the body of a request into `req.body`. Throws `invalid_request` when the connection has
 * ended before: body-parser then goes on as if the request had no body, which is another request.
 */
export async function readBody(req: Request, res: Response): Promise<void> {
  await raw(req, res);
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = req.headers;
  if (req.body === undefined && (encoding !== undefined || length !== '0'))
    throw new Failure('invalid_request', 'the connection ended before the body was read');
}
