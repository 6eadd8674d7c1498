/**
 * Returns a signal that aborts after some milliseconds, or with another signal. It is not made of
 * an AbortSignal.timeout(): Node.js 20 may collect one that is only part of another signal, which
 * then never aborts (compare nodejs/node#65995). The timer does not keep the process running.
 */
export function timeoutSignal(milliseconds: number, signal?: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort(new DOMException('the time is up', 'TimeoutError'));
  setTimeout(abort, milliseconds).unref();
  return signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
}
