import { parseTime } from '../lab/real-time.ts';
import type { Done } from './request.ts';

/** A time in which a host takes nothing new. Milliseconds since the epoch. */
export interface Drain {
  host: string;
  /** When it may have begun, and when it had. */
  from: number;
  sureFrom: number;
  /** When it may have ended, and when it had. */
  sureTo: number;
  to: number;
}

/** Milliseconds by which two clocks that tell milliseconds may differ. */
const tick = 5;

/** The drains among what is over, which is given in the order in which it ended. */
export function drainsOf(done: readonly Done[]): Drain[] {
  return done.flatMap((one, i) => {
    const { kind, name: host } = one.sent.operation;
    if (kind !== 'drain') return [];
    const back = done
      .slice(i + 1)
      .find(({ sent: { operation } }) => operation.kind === 'undrain' && operation.name === host);
    const [from, sureFrom] = [began(one), one.ended];
    return [{ host, from, sureFrom, sureTo: back ? began(back) : Infinity, to: back?.ended ?? Infinity }];
  });
}

/** Whether a job was begun and ended while its host was draining. What was begun before goes on. */
export const mustHaveMet = (one: Done, { host, sureFrom, sureTo }: Drain) =>
  one.job.host === host && began(one) > sureFrom + tick && one.ended < sureTo - tick;

/** Whether its host may have been draining at any moment of a job. */
export const mayHaveMet = (one: Done, { host, from, to }: Drain) =>
  one.job.host === host && began(one) < to + tick && one.ended > from - tick;

const began = ({ job }: Done) => parseTime(job.startedAt ?? job.createdAt);
