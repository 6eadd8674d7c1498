import type { Handlers } from '../jobs/context.ts';
import { merge, replace } from './environment.ts';
import { drain, repair, undrain } from './host.ts';
import { install } from './install.ts';
import { remove } from './remove.ts';
import { create } from './repository.ts';
import { restart, start, stop } from './run-state.ts';

export const handlers: Handlers = {
  'container.install': install,
  'container.start': start,
  'container.stop': stop,
  'container.restart': restart,
  'container.remove': remove,
  'repository.create': create,
  'environment.replace': replace,
  'environment.merge': merge,
  'host.drain': drain,
  'host.undrain': undrain,
  'host.repair': repair,
};
