import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { DBusError, Message, type MessageBus, MessageType, systemBus } from 'dbus-next';
import type { Logger } from 'pino';
import { Failure } from '../../jobs/errors.ts';
import { effect } from '../../lib/failpoint.ts';

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
}

/** The system bus, over which systemd is driven. Outlives restarts of the bus. */
export interface Bus {
  /**
   * Calls a method and returns the body of the reply. Throws `BusError` for an error reply, and a transient
   * `host_unavailable` when the bus is lost or does not answer in time.
   */
  call(call: BusCall): Promise<unknown[]>;
  /** Listens for a signal, also after reconnects. Returns how to stop. */
  onSignal(match: SignalMatch, listener: (body: unknown[]) => void): () => void;
  /** Runs a task at every connect, the first included. Its calls go out before any other. */
  onConnect(task: (bus: Bus) => Promise<void>): Promise<void>;
  close(): void;
}

/** A reply that says no; `name` is the D-Bus error name. */
export class BusError extends Error {
  readonly errorName: string;

  constructor(errorName: string, text: string) {
    super(text);
    this.name = 'BusError';
    this.errorName = errorName;
  }
}

/** systemd answers no more than 128 calls of one connection at a time (max_replies_per_connection). */
const mostInFlight = 100;
const reconnectDelay = 200;
/** Milliseconds to get through to the bus, and for a call to wait for it to come back. */
const connectDeadline = 5_000;

const theBus = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};

/** Opens the bus; rejects when it cannot be reached now. `deadlineMs` bounds every call. */
export async function openBus({ log, deadlineMs }: { log: Logger; deadlineMs: number }): Promise<Bus> {
  const signals = new EventEmitter().setMaxListeners(0);
  const matches = new Map<string, { rule: string; listeners: number }>();
  const connectTasks: ((bus: Bus) => Promise<void>)[] = [];
  const state = new EventEmitter().setMaxListeners(0);
  const waitingForSlot: (() => void)[] = [];
  let connection: MessageBus | null = null;
  let inFlight = 0;
  let closed = false;

  const lost = (was: MessageBus) => {
    if (connection !== was) return;
    connection = null;
    state.emit('lost');
    if (closed) return;
    log.warn('the D-Bus connection is lost; reconnecting');
    reconnect();
  };

  const reconnect = () => {
    setTimeout(() => {
      if (closed) return;
      connectOnce().then(
        () => log.info('the D-Bus connection is back'),
        () => reconnect(),
      );
    }, reconnectDelay);
  };

  async function connectOnce(): Promise<void> {
    const fresh = await connectBus();
    connection = fresh;
    streamOf(fresh)?.once('close', () => lost(fresh));
    fresh.on('message', (message) => {
      if (message.type !== MessageType.SIGNAL) return;
      // A listener that throws here would swallow the replies behind it.
      try {
        signals.emit(`${message.interface}.${message.member}`, message.body);
      } catch (error) {
        log.error({ err: error }, 'a D-Bus signal could not be handled');
      }
    });
    for (const { rule } of matches.values()) await addMatch(rule);
    for (const task of connectTasks) await task(bus);
    state.emit('connected');
  }

  const addMatch = (rule: string) => call({ ...theBus, member: 'AddMatch', signature: 's', body: [rule] });

  async function connected(): Promise<MessageBus> {
    if (connection) return connection;
    await happens(state, 'connected', connectDeadline);
    if (!connection) throw busAway();
    return connection;
  }

  async function call(request: BusCall): Promise<unknown[]> {
    const on = await connected();
    if (inFlight >= mostInFlight) await new Promise<void>((resolve) => waitingForSlot.push(resolve));
    inFlight++;
    try {
      return await effect(`dbus.${request.member}`, () => callOn(on, request, state, deadlineMs));
    } finally {
      inFlight--;
      waitingForSlot.shift()?.();
    }
  }

  const bus: Bus = {
    call,
    onSignal(match, listener) {
      const name = `${match.interface}.${match.member}`;
      const known = matches.get(name);
      if (known) known.listeners++;
      else {
        const rule = `type='signal',interface='${match.interface}',member='${match.member}'`;
        matches.set(name, { rule, listeners: 1 });
        if (connection)
          addMatch(rule).catch((error: Error) => log.warn({ reason: error.message }, 'AddMatch failed'));
      }
      signals.on(name, listener);
      // The rule stays: rules are few, one for each signal we know.
      return () => void signals.off(name, listener);
    },
    async onConnect(task) {
      connectTasks.push(task);
      if (connection) await task(bus);
    },
    close() {
      closed = true;
      const was = connection;
      connection = null;
      state.emit('lost');
      was?.disconnect();
    },
  };
  await connectOnce();
  return bus;
}

const busAway = (cause?: unknown) =>
  new Failure('host_unavailable', 'systemd cannot be reached over D-Bus', { transient: true, cause });

function connectBus(): Promise<MessageBus> {
  const fresh = systemBus();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail(new Error('no answer')), connectDeadline);
    const fail = (error: Error) => {
      clearTimeout(timer);
      fresh.disconnect();
      reject(busAway(error));
    };
    // Errors after this are followed by the stream's close, which is what counts.
    emitter(fresh).on('error', fail);
    fresh.once('connect', () => {
      clearTimeout(timer);
      resolve(fresh);
    });
  });
}

/** One call on one connection: a call in flight never settles by itself when the bus dies. */
function callOn(
  on: MessageBus,
  request: BusCall,
  state: EventEmitter,
  deadlineMs: number,
): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer);
      state.off('lost', lost);
    };
    const lost = () => {
      settle();
      reject(busAway());
    };
    const timer = setTimeout(lost, deadlineMs);
    state.on('lost', lost);
    on.call(new Message(request)).then(
      (reply) => {
        settle();
        resolve(reply?.body ?? []);
      },
      (error: unknown) => {
        settle();
        reject(error instanceof DBusError ? new BusError(error.type, error.text) : busAway(error));
      },
    );
  });
}

function happens(emitter: EventEmitter, event: string, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      emitter.off(event, done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    emitter.on(event, done);
  });
}

/** The library's type knows neither its error event nor its stream; a clean end of the bus shows only there. */
const emitter = (bus: MessageBus) => bus as unknown as EventEmitter;
const streamOf = (bus: MessageBus) =>
  (bus as unknown as { _connection: { stream?: Duplex } })._connection.stream;
