import type { Response } from 'express';
import { limitReached } from '../../jobs/errors.ts';
import type { UserLimits } from '../../jobs/limits.ts';
import { Limiter, type Release } from '../../lib/async/limiter.ts';
import { waits } from '../metrics.ts';

const what = {
  userRequests: 'you have too many requests in flight; wait for one to be answered',
  userWaits: 'too many of your requests wait for a job; wait for one to be answered',
  userStreams: 'you follow too many logs; end one of them',
  userArchives: 'you fetch too many archives at a time; wait for one to end',
} as const;

/** What a request occupies while it is answered. */
export type Place = keyof typeof what;

/**
 * Opens the account of one request: takes places for it in its user's name, one at a time, and
 * gives the last one back when the response is closed. A request that begins to wait or to stream
 * so makes room for another one. Throws `limit_reached`.
 */
export type PlacesOf = (tenant: string, res: Response) => (place: Place) => void;

export function createUserLimits(limits: UserLimits): PlacesOf {
  const limiterOf = (place: Place) => new Limiter({ all: Number.POSITIVE_INFINITY, perKey: limits[place] });
  const limiters: Record<Place, Limiter> = {
    userRequests: limiterOf('userRequests'),
    userWaits: limiterOf('userWaits'),
    userStreams: limiterOf('userStreams'),
    userArchives: limiterOf('userArchives'),
  };
  waits.measuredBy(async () => [[{}, limiters.userWaits.held]]);
  return (tenant, res) => {
    let release: Release = () => undefined;
    res.once('close', () => release());
    return (place) => {
      const next = limiters[place].take(tenant);
      if (!next) throw limitReached(place, what[place]);
      release();
      release = next;
      res.locals.place = place;
      if (res.closed) release();
    };
  };
}
