/**
 * Returns a signal that aborts after some milliseconds, for AbortSignal.any: Node.js 20 may collect
 * an AbortSignal.timeout() that is only part of another signal, which then never aborts (compare
 * nodejs/node#65995). The timer does not keep the process running.
 *
 * @example const inTime = AbortSignal.any([signal, timeoutSignal(5_000)]);
 */
export function timeoutSignal(milliseconds: number): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort(new DOMException('the time is up', 'TimeoutError'));
  setTimeout(abort, milliseconds).unref();
  return controller.signal;
}
