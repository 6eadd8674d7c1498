import { EventEmitter } from 'node:events';
import type { Response } from 'express';
import { expect, test } from 'vitest';
import { createUserLimits } from '../../../../src/api/request/user-limits.ts';
import { userLimits } from '../../../support/limits.ts';

/** A response that can be closed. */
function aResponse() {
  const res = Object.assign(new EventEmitter(), { closed: false, locals: {} });
  const close = () => {
    res.closed = true;
    res.emit('close');
  };
  return { res: res as unknown as Response, close };
}

test('a user at a limit is refused with its name, another user is not', () => {
  const placesOf = createUserLimits(userLimits({ userRequests: 2 }));
  const request = (user: string) => placesOf(user, aResponse().res)('userRequests');
  request('alice');
  request('alice');
  expect(() => request('alice')).toThrow(
    expect.objectContaining({
      code: 'limit_reached',
      limit: 'userRequests',
      message: expect.stringContaining('(limit userRequests)'),
    }),
  );
  expect(() => request('bob')).not.toThrow();
});

test('a request that waits, streams or is refused makes room for another one, and gives all back when it is closed', () => {
  const placesOf = createUserLimits(userLimits({ userRequests: 1, userWaits: 1 }));
  const [first, second, third] = [aResponse(), aResponse(), aResponse()];
  const occupy = placesOf('alice', first.res);
  occupy('userRequests');
  occupy('userWaits'); // From now on it is no request in flight.
  const other = placesOf('alice', second.res);
  other('userRequests');
  expect(() => other('userWaits')).toThrow('(limit userWaits)');
  expect(() => placesOf('alice', third.res)('userRequests')).toThrow('(limit userRequests)');
  second.close();
  placesOf('alice', third.res)('userRequests');
  first.close();
  placesOf('alice', aResponse().res)('userWaits');
});

test('a client that has left before it gets a place keeps none', () => {
  const placesOf = createUserLimits(userLimits({ userStreams: 1 }));
  const gone = aResponse();
  const occupy = placesOf('alice', gone.res);
  gone.close();
  occupy('userStreams');
  expect(() => placesOf('alice', aResponse().res)('userStreams')).not.toThrow();
});
