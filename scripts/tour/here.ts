import type { Closers } from '../../src/lib/async/closers.ts';
import { tourKeys } from './addresses.ts';
import { execute } from './execute.ts';
import { must, type Place } from './place.ts';
import { say } from './say.ts';

/** This machine itself. */
export async function openHere(_closers: Closers): Promise<Place> {
  say('systemd is PID 1 and Docker answers: this machine is the host');
  const place: Place = {
    run: (program, ...args) => execute(program, args),
    prefix: '',
    node: process.execPath,
    project: process.cwd(),
    base: '/var/lib/gears',
    keys: tourKeys,
  };
  await must(place, `${place.project}/contrib/sample/image`);
  return place;
}
