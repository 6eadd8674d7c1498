import { EventEmitter } from 'node:events';
import type { Response } from 'express';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createUserLimits } from '../../../../src/api/request/user-limits.ts';
import { userLimits } from '../../../support/limits.ts';
import { settled } from '../../../support/settled.ts';

/** A response that can be closed. */
function aResponse() {
  const res = Object.assign(new EventEmitter(), { closed: false, locals: {} });
  const close = () => {
    res.closed = true;
    res.emit('close');
  };
  return { res: res as unknown as Response, close };
}

test('a request that is answered, fails or begins to wait passes its turn on at once', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const accountOf = createUserLimits(userLimits({ userTurns: 1 }));
  const begun: string[] = [];
  const begin = (user: string, name: string, answer: () => Promise<void>) => {
    const account = accountOf(user, aResponse().res);
    const answered = account.answering(() => {
      begun.push(name);
      return answer();
    });
    return { ...account, answered };
  };
  const waiting = () => new Promise<void>(() => {});
  begin('bob', 'from another user', waiting);
  const failing = begin('alice', 'fails', () => Promise.reject(new Error('it fails')));
  begin('alice', 'is answered', () => Promise.resolve());
  const { passTurn } = begin('alice', 'waits', waiting);
  begin('alice', 'last', waiting);
  await expect(failing.answered).rejects.toThrow('it fails');
  await vi.advanceTimersByTimeAsync(0);
  expect(begun).toEqual(['from another user', 'fails', 'is answered', 'waits']);
  passTurn();
  await vi.advanceTimersByTimeAsync(0);
  expect(begun.at(-1)).toBe('last');
});

test('a user at a limit is refused with its name, another user is not', () => {
  const accountOf = createUserLimits(userLimits({ userRequests: 2 }));
  const request = (user: string) => accountOf(user, aResponse().res).occupy('userRequests');
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
  const accountOf = createUserLimits(userLimits({ userRequests: 1, userWaits: 1 }));
  const [first, second, third] = [aResponse(), aResponse(), aResponse()];
  const { occupy } = accountOf('alice', first.res);
  occupy('userRequests');
  occupy('userWaits'); // From now on it is no request in flight.
  const other = accountOf('alice', second.res);
  other.occupy('userRequests');
  expect(() => other.occupy('userWaits')).toThrow('(limit userWaits)');
  expect(() => accountOf('alice', third.res).occupy('userRequests')).toThrow('(limit userRequests)');
  second.close();
  accountOf('alice', third.res).occupy('userRequests');
  first.close();
  accountOf('alice', aResponse().res).occupy('userWaits');
});

test('a client that has left before it gets a place keeps none', () => {
  const accountOf = createUserLimits(userLimits({ userStreams: 1 }));
  const gone = aResponse();
  const { occupy } = accountOf('alice', gone.res);
  gone.close();
  occupy('userStreams');
  expect(() => accountOf('alice', aResponse().res).occupy('userStreams')).not.toThrow();
});

test('a client that leaves keeps its place until its request is answered (security M3)', async () => {
  const accountOf = createUserLimits(userLimits({ userRequests: 1 }));
  const gone = aResponse();
  const { occupy, answering } = accountOf('alice', gone.res);
  occupy('userRequests');
  let end = () => {};
  const answered = answering(() => new Promise<void>((resolve) => (end = resolve)));
  await settled();
  gone.close();
  expect(() => accountOf('alice', aResponse().res).occupy('userRequests')).toThrow('(limit userRequests)');
  end();
  await answered;
  expect(() => accountOf('alice', aResponse().res).occupy('userRequests')).not.toThrow();
});
