import { hash } from 'node:crypto';
import type { Request, Response } from 'express';
import { Failure } from '../jobs/errors.ts';
import { isFinal } from '../jobs/job.ts';
import { type Command, jobs } from '../jobs/registry.ts';
import type { Front, JobRecord } from '../queue/open-front.ts';
import { type Parameters, requestIdOf, required } from './parameters.ts';
import { firstChoice, livesElsewhere, notFound } from './placement.ts';
import { preferredWait } from './preferences.ts';
import { contextOf } from './request-context.ts';
import { sendJob } from './respond.ts';

/**
 * Turns a command into a job and answers: the same id with the same request joins the job it became before.
 * `body` is the body as it was understood, for the fingerprint.
 */
export async function submit(
  front: Front,
  req: Request,
  res: Response,
  all: Parameters,
  command: Command,
  body: unknown,
): Promise<void> {
  const id = requestIdOf(req, all);
  const user = required(all, 'u');
  const context = contextOf(req);
  context.log.resource = command.params.resource;
  const waited = preferredWait(req);
  const fingerprint = fingerprintOf([user, req.method, req.path, all.r, all.t, all.h, body]);

  const { record, replayed } = await place(front, { id, user, command, fingerprint }, all.h);
  if (replayed && record.fingerprint !== fingerprint) {
    throw new Failure('request_id_reused', 'this request id was used for another request; choose a new one');
  }
  const latest =
    waited && !isFinal(record.job.state) ? await front.wait(id, waited * 1000, context.gone()) : record;
  sendJob(req, res, (latest ?? record).job, { replayed, waited });
}

function fingerprintOf(parts: unknown[]): string {
  // JSON writes what is left out in an array as null.
  return hash('sha256', JSON.stringify(parts), 'base64url');
}

interface Wish {
  id: string;
  user: string;
  command: Command;
  fingerprint: string;
}

/**
 * Finds the host and records the request there. A refusal that depends on the state of the fleet holds for new
 * ids only: a known one is told what became of it, whatever has changed since.
 */
async function place(
  front: Front,
  wish: Wish,
  wanted: string | undefined,
): Promise<{ record: JobRecord; replayed: boolean }> {
  try {
    let host = await firstChoice(front, wish.command, wanted);
    // The directory may change under us; three hops are more than any gear makes in one request.
    for (let hop = 0; hop < 3; hop++) {
      const accepted = await front.accept(wish, host);
      switch (accepted.verdict) {
        case 'accepted':
          return {
            record: { job: accepted.job, fingerprint: wish.fingerprint, params: null, cancel: false },
            replayed: false,
          };
        case 'known':
          return { record: accepted.record, replayed: true };
        case 'elsewhere':
          if (wanted) throw livesElsewhere(jobs[wish.command.type].on, accepted.host, wanted);
          host = accepted.host;
          break;
        default:
          throw refusal(accepted, wish.command);
      }
    }
    throw new Failure('no_host', 'it is moving from host to host; send the request again');
  } catch (error) {
    if (!(error instanceof Failure) || error.code === 'queue_unavailable') throw error;
    const known = await front.job(wish.id);
    if (known) return { record: known, replayed: true };
    throw error;
  }
}

function refusal(
  refused: { verdict: 'missing' | 'exists' } | { verdict: 'full'; what: 'host' | 'line' },
  { type, params: { resource } }: Command,
): Failure {
  const kind = jobs[type].on;
  switch (refused.verdict) {
    case 'missing':
      return notFound(kind, resource);
    case 'exists':
      return kind === 'repository'
        ? new Failure('repository_exists', `the repository ${resource} exists already`)
        : new Failure(
            'precondition_failed',
            `the ${kind} ${resource} exists already and If-None-Match: * was given`,
          );
    case 'full':
      return new Failure(
        'queue_full',
        refused.what === 'line'
          ? `too many unfinished jobs on the ${kind} ${resource}`
          : 'too many unfinished jobs on the host',
      );
  }
}
