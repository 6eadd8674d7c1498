import type { Handlers } from '../context.ts';
import { install } from './install.ts';
import { remove } from './remove.ts';
import { restart, start, stop } from './run-state.ts';

export const handlers: Handlers = {
  'container.install': install,
  'container.start': start,
  'container.stop': stop,
  'container.restart': restart,
  'container.remove': remove,
};
