import { pause } from '../../src/lib/async/pause.ts';
import type { Request } from '../check/request.ts';
import type { LabHost } from '../lab/lab-host.ts';
import type { Site } from '../lab/site.ts';
import { becomesJob } from '../plan/operation.ts';
import type { PlannedFault, Round } from '../plan/round.ts';
import { isAcknowledged, jobOf, type Sent, send } from './client.ts';
import { disarmFailpoint, failpointsOf, type Struck, strike } from './strike.ts';

/** What has happened in a round. */
export interface Played {
  /** Milliseconds since the epoch. */
  began: number;
  requests: Request[];
  struck: Struck[];
}

/** Milliseconds that acknowledged jobs have to come to their end after the last fault. */
const jobDeadline = 120_000;

/** Sends what is planned while what is planned goes wrong, and waits until every job is over. */
export async function playRound(site: Site, { steps, faults }: Round): Promise<Played> {
  const began = Date.now();
  const sent: Promise<Sent>[] = [];
  const drains: Promise<Sent>[] = [];
  let striking: Promise<unknown> = Promise.resolve();
  const struck: Struck[] = [];
  const hostOf = ({ host }: PlannedFault) => site.hosts[host] as LabHost;
  for (const [number, { operations, pause: length }] of steps.entries()) {
    for (const operation of operations) {
      // A drain that is sent again must not come after what takes it back.
      const before = operation.kind === 'undrain' ? drains : [];
      const sending = Promise.all(before).then(() => send(site, operation));
      if (operation.kind === 'drain') drains.push(sending);
      sent.push(sending);
    }
    for (const planned of faults.filter(({ step }) => step === number)) {
      const due = pause(planned.delay);
      striking = Promise.all([striking, due]).then(async () => {
        struck.push(await strike(site, hostOf(planned), planned.fault));
      });
      striking.catch(() => undefined); // It is waited for when all is sent.
    }
    await pause(length);
  }
  await striking;
  const until = Date.now() + jobDeadline;
  const requests = await Promise.all(
    sent.map(async (sending) => {
      const one = await sending;
      const hasJob = becomesJob(one.operation) && isAcknowledged(one);
      return { sent: one, job: hasJob ? await jobOf(site, one.operation.id, until) : null };
    }),
  );
  await noteFailpoints(site, struck);
  await site.ready();
  return { began, requests, struck };
}

/** A failpoint that was passed ended a process; only the last one that was armed by a file can be told. */
async function noteFailpoints(site: Site, struck: Struck[]): Promise<void> {
  const last = new Map<string, Struck>();
  for (const one of struck) {
    if (one.fault.kind !== 'failpoint') continue;
    one.happened = false;
    last.set(failpointsOf(site, one.host, one.fault.point), one);
  }
  for (const [file, one] of last) one.happened = await disarmFailpoint(file);
}
