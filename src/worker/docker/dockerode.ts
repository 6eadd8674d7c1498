import Module, { createRequire } from 'node:module';
import type Dockerode from 'dockerode';
import { hostUnavailable } from '../../jobs/errors.ts';

const require = createRequire(import.meta.url);
const dockerode = createRequire(require.resolve('dockerode'));

// dockerode always loads gRPC (to log in to a registry for BuildKit) and ssh2 (for an engine behind
// SSH). We use neither, and they are most of its cost: 150 modules and 10 MB of the worker's
// memory.
for (const unused of ['./session', 'docker-modem/lib/ssh']) {
  const path = dockerode.resolve(unused);
  const stub = new Module(path);
  stub.exports = () => {
    throw new Error(`${unused} of dockerode is not loaded`);
  };
  stub.loaded = true;
  require.cache[path] = stub;
}

/** dockerode without the parts we do not use. */
export const DockerClient: typeof Dockerode = require('dockerode');

/**
 * A client for calls without a stream; each rejects with a transient `host_unavailable` after the
 * deadline (milliseconds). Once it has the headers of an answer, the library reports neither its
 * own timeout nor a lost connection: the call would never end.
 */
export function createCallClient(socketPath: string, deadline: number): Dockerode {
  const client = new DockerClient({ socketPath });
  const { modem } = client;
  const dial = modem.dial.bind(modem);
  modem.dial = (options, callback) => {
    const late = new AbortController();
    let ended = false;
    const end: typeof callback = (error, result) => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      callback?.(error, result);
    };
    const timer = setTimeout(() => {
      const cause = new Error(`no answer to ${options.method} ${options.path} within ${deadline} ms`);
      end(hostUnavailable('the Docker engine does not answer', cause), null);
      late.abort(); // Closes the connection.
    }, deadline);
    dial({ ...options, abortSignal: late.signal }, end);
  };
  return client;
}
