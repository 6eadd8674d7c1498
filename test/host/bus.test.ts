import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Message, type MessageBus, sessionBus } from 'dbus-next';
import pino from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Bus, BusError, openBus } from '../../src/worker/systemd/bus.ts';

/** A bus of the test's own, with a service on it that answers every call with the error that the call names. */
let daemon: ChildProcess;
let service: MessageBus;
let bus: Bus;
beforeAll(async () => {
  daemon = spawn('dbus-daemon', ['--session', '--nofork', '--print-address=1'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = await once(createInterface({ input: daemon.stdout as NodeJS.ReadableStream }), 'line');
  const address = String(line);
  service = sessionBus({ busAddress: address });
  await once(service, 'connect');
  service.addMethodHandler((call) => {
    service.send(Message.newError(call, String(call.body[0]), 'it says no'));
    return true;
  });
  vi.stubEnv('DBUS_SYSTEM_BUS_ADDRESS', address);
  bus = await openBus({ log: pino({ level: 'silent' }), deadlineMs: 5_000 });
});
afterAll(() => {
  vi.unstubAllEnvs();
  bus.close();
  service.disconnect();
  daemon.kill();
});

const answered = (error: string) =>
  bus.call({
    destination: service.name ?? '',
    path: '/',
    interface: 'org.freedesktop.systemd1.Manager',
    member: 'StartUnit',
    signature: 's',
    body: [error],
  });

test.each([
  'System.Error.EBUSY', // "Unit gear-g1.service failed to load properly: Device or resource busy"
  'org.freedesktop.DBus.Error.NoReply',
  'org.freedesktop.systemd1.TransactionIsDestructive',
])('systemd answering %s is a fault that passes', async (error) => {
  await expect(answered(error)).rejects.toMatchObject({ code: 'host_unavailable', transient: true });
});

test('any other error is one for good, and keeps its name', async () => {
  const failed = answered('org.freedesktop.systemd1.NoSuchUnit');
  await expect(failed).rejects.toBeInstanceOf(BusError);
  await expect(failed).rejects.toMatchObject({ errorName: 'org.freedesktop.systemd1.NoSuchUnit' });
});
