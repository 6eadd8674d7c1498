import { EventEmitter, once } from 'node:events';
import type { Duplex } from 'node:stream';
import { DBusError, Message, type MessageBus, MessageType, systemBus } from 'dbus-next';
import pLimit from 'p-limit';
import type { Logger } from 'pino';
import { Failure, hostUnavailable } from '../../jobs/errors.ts';
import { effect } from '../../lib/effect.ts';
import { busReconnects } from '../metrics.ts';

export interface BusCall {
  destination: string;
  path: string;
  interface: string;
  member: string;
  signature?: string;
  body?: unknown[];
}

export interface SignalMatch {
  interface: string;
  member: string;
  /** First argument of the wanted signals, if it is a string; default: any. */
  arg0?: string;
}

/**
 * Calls a method and returns the body of the reply. Throws `BusError` for an error reply, and a
 * transient `host_unavailable` when the bus or the called service is lost or the call times out.
 */
export type CallBus = (call: BusCall) => Promise<unknown[]>;

/** The system bus, through which geard controls systemd. Survives restarts of the bus. */
export interface Bus {
  call: CallBus;
  /** Listens for a signal, also after reconnects. */
  onSignal(match: SignalMatch, listener: (body: unknown[]) => void): void;
  /** Runs a task at every connect, including the first. Its calls go out before any other. */
  onConnect(task: (call: CallBus) => Promise<void>): Promise<void>;
  close(): void;
}

/** An error reply; `errorName` is the D-Bus error name. */
export class BusError extends Error {
  readonly errorName: string;

  constructor(errorName: string, text: string) {
    super(text);
    this.name = 'BusError';
    this.errorName = errorName;
  }
}

/** systemd answers at most 128 calls of one connection at a time (max_replies_per_connection). */
const maxInFlight = 100;
const reconnectDelay = 200;
/** Timeout for connecting, and for a call that waits for a reconnect, in milliseconds. */
const connectDeadline = 5_000;

/**
 * Transient errors: systemd was re-executed during the call, is not on the bus yet, is about to
 * halt (a unit that must stop cannot start), or cannot load a unit whose cgroup it is still
 * removing.
 */
const transientErrors = new Set([
  'org.freedesktop.DBus.Error.NoReply',
  'org.freedesktop.DBus.Error.ServiceUnknown',
  'org.freedesktop.DBus.Error.NameHasNoOwner',
  'org.freedesktop.DBus.Error.Disconnected',
  'org.freedesktop.DBus.Error.Timeout',
  'org.freedesktop.DBus.Error.TimedOut',
  'org.freedesktop.systemd1.ShuttingDown',
  'org.freedesktop.systemd1.TransactionIsDestructive',
  'System.Error.EBUSY',
]);

const theBus = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};

interface Connection {
  bus: MessageBus;
  /** Emits `lost` when the connection has ended. */
  events: EventEmitter;
}

/** Opens the bus; rejects when it cannot be reached. `deadlineMs` is the timeout of each call. */
export async function openBus({ log, deadlineMs }: { log: Logger; deadlineMs: number }): Promise<Bus> {
  const listeners = new EventEmitter().setMaxListeners(0);
  const rules = new Set<string>();
  const connectTasks: ((call: CallBus) => Promise<void>)[] = [];
  const state = new EventEmitter().setMaxListeners(0);
  const slot = pLimit(maxInFlight);
  let current: Connection | null = null;
  let closed = false;

  const callOf =
    (connection: Connection): CallBus =>
    (request) =>
      effect(`dbus.${request.member}`, () => callOn(connection, request, deadlineMs), subjectOf(request));

  /** Uses a connection only after every subscription and task on it has succeeded. */
  async function connectOnce(): Promise<void> {
    const fresh = await connectBus((signal) => passOn(signal, listeners, log));
    try {
      const call = callOf(fresh);
      // The rules come first: a systemd that is re-executed during the tasks must be noticed.
      for (const rule of rules) await call(addMatch(rule));
      for (const task of connectTasks) await task(call);
      if (closed) throw busAway();
    } catch (error) {
      fresh.bus.disconnect();
      throw error;
    }
    current = fresh;
    fresh.events.once('lost', lost);
    state.emit('connected');
  }

  function lost(): void {
    if (closed) return;
    current = null;
    log.warn('the D-Bus connection is lost; reconnecting');
    reconnect();
  }

  function reconnect(): void {
    setTimeout(() => {
      if (!closed) connectOnce().then(() => tellReconnected(log), reconnect);
    }, reconnectDelay);
  }

  async function connected(): Promise<Connection> {
    if (current === null)
      await once(state, 'connected', { signal: AbortSignal.timeout(connectDeadline) }).catch(() => undefined);
    if (current === null) throw busAway();
    return current;
  }

  await connectOnce();
  return {
    // Picks the connection at the call's turn: an earlier one may be lost by then.
    call: (request) => slot(async () => callOf(await connected())(request)),
    onSignal(match, listener) {
      const rule = ruleOf(match);
      if (!rules.has(rule)) {
        rules.add(rule);
        if (current)
          callOf(current)(addMatch(rule)).catch((error: Error) =>
            log.warn({ reason: error.message }, 'AddMatch failed'),
          );
      }
      listeners.on(`${match.interface}.${match.member}`, listener);
    },
    async onConnect(task) {
      connectTasks.push(task);
      if (current) await task(callOf(current));
    },
    close() {
      closed = true;
      current?.bus.disconnect();
      current = null;
    },
  };
}

function tellReconnected(log: Logger): void {
  busReconnects.add({});
  log.info('the D-Bus connection is back');
}

/** Catches errors: a listener that throws would swallow the replies behind the signal. */
function passOn({ interface: from, member, body }: Message, listeners: EventEmitter, log: Logger): void {
  try {
    listeners.emit(`${from}.${member}`, body);
  } catch (error) {
    log.error({ err: error }, 'a D-Bus signal could not be handled');
  }
}

const ruleOf = ({ interface: from, member, arg0 }: SignalMatch) =>
  `type='signal',interface='${from}',member='${member}'${arg0 === undefined ? '' : `,arg0='${arg0}'`}`;

/** The unit that a call is about, if its first argument names one. */
const subjectOf = ({ member, body: [first] = [] }: BusCall): string | undefined =>
  /Unit$/.test(member) && typeof first === 'string' ? first : undefined;

const addMatch = (rule: string): BusCall => ({ ...theBus, member: 'AddMatch', signature: 's', body: [rule] });

const busAway = (cause?: unknown) => hostUnavailable('systemd cannot be reached over D-Bus', cause);

function connectBus(onSignal: (message: Message) => void): Promise<Connection> {
  const bus = systemBus();
  const events = new EventEmitter().setMaxListeners(0);
  bus.on('message', (message) => {
    if (message.type === MessageType.SIGNAL) onSignal(message);
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail(new Error('no answer')), connectDeadline);
    const fail = (error: Error) => {
      clearTimeout(timer);
      bus.disconnect();
      reject(busAway(error));
    };
    // The stream's close event follows later errors, and only that counts.
    emitter(bus).on('error', fail);
    bus.once('connect', () => {
      clearTimeout(timer);
      streamOf(bus)?.once('close', () => events.emit('lost'));
      resolve({ bus, events });
    });
  });
}

/** Makes a call on one connection. A call in flight never settles by itself when the bus dies. */
async function callOn({ bus, events }: Connection, request: BusCall, deadlineMs: number): Promise<unknown[]> {
  let lost = () => {};
  const away = new Promise<never>((_, reject) => {
    lost = () => reject(busAway());
  });
  const timer = setTimeout(lost, deadlineMs);
  events.on('lost', lost);
  try {
    return (await Promise.race([bus.call(new Message(request)), away]))?.body ?? [];
  } catch (error) {
    throw failureOf(error);
  } finally {
    clearTimeout(timer);
    events.off('lost', lost);
  }
}

function failureOf(error: unknown): Error {
  if (error instanceof Failure) return error;
  if (!(error instanceof DBusError) || transientErrors.has(error.type)) return busAway(error);
  return new BusError(error.type, error.text);
}

/**
 * The library's type lacks its error event and its stream; only the stream shows a clean end of the
 * bus.
 */
const emitter = (bus: MessageBus) => bus as unknown as EventEmitter;
const streamOf = (bus: MessageBus) =>
  (bus as unknown as { _connection: { stream?: Duplex } })._connection.stream;
