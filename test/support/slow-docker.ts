import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/**
 * Docker behind a socket of its own, which has every creation of a container wait until it is opened, and then carries it out,
 * also where the client has gone meanwhile: Docker finishes what it has begun.
 */
export async function openSlowDocker(socket: string) {
  const opened = new AbortController();
  let [held, created] = [0, 0];
  const untilOpened = () => (opened.signal.aborted ? undefined : once(opened.signal, 'abort'));
  const server = createServer((client) => {
    const docker = connect('/run/docker.sock');
    let passed: Promise<unknown> = Promise.resolve();
    const pass = async (chunk: Buffer) => {
      if (/^POST \S*\/containers\/create/.test(chunk.toString('latin1'))) {
        held++;
        docker.once('data', () => created++);
        await untilOpened();
      }
      docker.write(chunk);
    };
    client.on('data', (chunk) => {
      passed = passed.then(() => pass(chunk));
    });
    client.on('error', () => undefined).on('close', () => void passed.then(() => docker.end()));
    docker.on('error', () => undefined).on('data', (chunk) => client.write(chunk));
    docker.on('close', () => client.end());
  });
  await once(server.listen(socket), 'listening');
  return {
    socket,
    /** Whether a container is to be made. */
    holds: () => held > 0,
    open: () => opened.abort(),
    /** Whether Docker has answered every creation. */
    isDone: () => created === held,
    close: () => server.close(),
  };
}
