import type { Command } from 'commander';
import { GeardError } from '../../client/client.ts';
import { type ChangeFlags, change, placeOf } from '../client/change.ts';
import { readPages } from '../client/pages.ts';
import { fillRows, type Row } from '../client/row.ts';
import { mayHaveArrived, type Session } from '../client/session.ts';
import { addCommand } from './add.ts';
import { joinCommand } from './join.ts';
import { needsRepair, showDrift, showHosts, showRepair } from './show.ts';

/** Creates a command that makes a host accept new gears, or none. */
const become = (verb: 'drain' | 'undrain', state: string, summary: string): Row<ChangeFlags> => ({
  sends: [`host.${verb}`],
  takes: '<name>',
  names: 'host',
  summary,
  changes: 'by job',
  run: (call) =>
    change<'host.drain' | 'host.undrain'>(call, {
      names: call.args,
      send: (h, options) => call.client.host[verb]({ ...placeOf(call.flags), h }, options),
      show: (h, { result }) => `${h}: ${result.changed ? 'is' : 'was already'} ${state}\n`,
    }),
});

/** Turns the api's 400 for removing a live host into a plain failure: the usage is correct. */
function asRefusal(error: Error): never {
  throw error instanceof GeardError && error.status === 400 ? new Error(error.message) : error;
}

/**
 * Removes a host. Null if a retry finds no host, which an attempt that had no answer may have
 * removed.
 */
async function removeHost({ client, signal }: Session, h: string) {
  let isUnanswered = false;
  const onRetry = (error: Error) => {
    if (mayHaveArrived(error)) isUnanswered = true;
  };
  return client.host.remove({ h }, { signal, onRetry }).catch((error: Error) => {
    if (isUnanswered && error instanceof GeardError && error.code === 'host_not_found') return null;
    return asRefusal(error);
  });
}

/** The commands `gear host …` that call an api. */
export const hosts: Record<string, Row<ChangeFlags>> = {
  list: {
    sends: ['host.list'],
    summary: 'list all hosts',
    async run(call) {
      const pages = await readPages(
        (asked) => call.client.host.list(asked, { signal: call.signal }),
        (page) => [page],
      );
      const all = pages.flatMap((page) => page.hosts);
      const names = all.map(({ name }) => `${name}\n`).join('');
      const answer = { hosts: all, limits: pages.at(-1)?.limits };
      await call.print(answer, call.quiet ? names : showHosts(all));
      return 0;
    },
  },
  drain: become('drain', 'draining', 'stop placing anything new on a host'),
  undrain: become('undrain', 'live', 'place new gears on a host again'),
  remove: {
    sends: ['host.remove'],
    names: 'host',
    takes: '<name>',
    summary: 'forget a host that is gone for good',
    async run(call) {
      const [h = ''] = call.args;
      const answer = await removeHost(call, h);
      if (answer === null) {
        call.tell(`${h}: is not in the fleet; an attempt that had no answer may have removed it`);
        return 1;
      }
      const { names, jobs } = answer.removed;
      await call.print(
        answer,
        `${h}: removed; ${names} names are free, ${jobs} unfinished jobs have failed\n`,
      );
      return 0;
    },
  },
  drift: {
    sends: ['drift.read'],
    names: 'host',
    takes: '[name]',
    summary: 'show drift: changes that were made by hand; exit code 3 if a repair would undo any',
    async run(call) {
      const [h] = call.args;
      const answer = await call.client.drift.read({ h }, { signal: call.signal });
      await call.printEnd(answer, answer.hosts.map(showDrift).join(''));
      if (answer.hosts.some(({ drift }) => drift === null)) return 1;
      return answer.hosts.some(needsRepair) ? 3 : 0;
    },
  },
  repair: {
    sends: ['host.repair'],
    names: 'host',
    takes: '<name>',
    summary: 'undo drift, without restarting any gear',
    changes: 'by job',
    run: (call) =>
      change(call, {
        names: call.args,
        send: (h, options) => call.client.host.repair({ ...placeOf(call.flags), h }, options),
        show: (h, { result }) => showRepair(h, result),
      }),
  },
};

/** `gear host …`: manages the hosts of a fleet over HTTP, and adds and joins hosts. */
export function fillHost(host: Command): void {
  fillRows(host, hosts).addCommand(addCommand()).addCommand(joinCommand());
}
