import type { Response } from 'express';
import { limitReached } from '../../jobs/errors.ts';
import type { UserLimits } from '../../jobs/limits.ts';
import { Limiter, type Release } from '../../lib/async/limiter.ts';
import { waits } from '../metrics.ts';
import { createTurns } from './turns.ts';

const what = {
  userRequests: 'you have too many requests in flight; wait for one to be answered',
  userWaits: 'too many of your requests wait for a job; wait for one to be answered',
  userStreams: 'you follow too many logs; end one of them',
  userArchives: 'you fetch too many archives at a time; wait for one to end',
} as const;

/** The kind of slot that a request holds while it is in flight. */
export type SlotKind = keyof typeof what;

/** The slot and the turn of one request, counted against its user's limits. */
export interface Account {
  /**
   * Takes a slot and releases the previous one: a request that starts to wait or to stream makes
   * room for another one. Throws `limit_reached`.
   */
  occupy(kind: SlotKind): void;
  /** Ends the turn: from now on the request waits or sends a stream. */
  passTurn(): void;
  /**
   * Answers the request when it is its user's turn; see turns.ts. If the client leaves, the request
   * keeps its slot until the answer ends, because the queried host works until then. Otherwise a
   * client that leaves again and again would have no limit.
   */
  answering<T>(answer: () => Promise<T>): Promise<T>;
}

/** Opens the account of one request. */
export type AccountOf = (tenant: string, res: Response) => Account;

export function createUserLimits(limits: UserLimits): AccountOf {
  const limiterOf = (kind: SlotKind) => new Limiter({ all: Number.POSITIVE_INFINITY, perKey: limits[kind] });
  const limiters: Record<SlotKind, Limiter> = {
    userRequests: limiterOf('userRequests'),
    userWaits: limiterOf('userWaits'),
    userStreams: limiterOf('userStreams'),
    userArchives: limiterOf('userArchives'),
  };
  const turnOf = createTurns(limits.userTurns);
  waits.measuredBy(async () => [[{}, limiters.userWaits.held]]);
  return (tenant, res) => {
    let release: Release = () => undefined;
    let endTurn: Release = () => undefined;
    let isAnswering = false;
    const close = () => {
      if (res.closed && !isAnswering) release();
    };
    res.once('close', close);
    return {
      occupy(kind) {
        const next = limiters[kind].take(tenant);
        if (!next) throw limitReached(kind, what[kind]);
        release();
        release = next;
        res.locals.slot = kind;
        close();
      },
      passTurn: () => endTurn(),
      async answering(answer) {
        isAnswering = true;
        endTurn = await turnOf(tenant);
        try {
          return await answer();
        } finally {
          endTurn();
          isAnswering = false;
          close();
        }
      },
    };
  };
}
