// @ts-check
// Has this machine's loopback answer for the ports of a host in namespaces. A Unix socket joins the two network
// namespaces: this process listens on TCP outside, a second one connects to TCP inside.
// usage: forward.mjs PID SOCKET [--only] [PORT…]      PID is a process of the host
//        forward.mjs --inside SOCKET                  the second process; its stdin ends when the first one does
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';

/** Milliseconds between two looks at what the host listens on. */
const lookInterval = 250;

/** Joins two sockets until both sides have ended; back-pressure is the pipe's. */
function join(/** @type {import('node:net').Socket} */ a, /** @type {import('node:net').Socket} */ b) {
  a.pipe(b);
  b.pipe(a);
  for (const [one, other] of [
    [a, b],
    [b, a],
  ]) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroySoon());
  }
}

/** The first line of a connection is the port it is for. */
function inside(/** @type {string} */ path) {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (outer) => {
    outer.on('error', () => outer.destroy());
    outer.once('readable', () => {
      const head = outer.read(5);
      const port = head === null ? Number.NaN : Number(String(head));
      if (!(port > 0 && port < 65536)) {
        outer.destroy();
        return;
      }
      const inner = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      join(outer, inner);
    });
  });
  rmSync(path, { force: true });
  server.listen(path, () => process.stdout.write('ready\n'));
  process.stdin.on('end', () => process.exit(0)).resume();
}

/** Ports on which the host listens on every address: those that others are meant to reach. */
function publicPorts(/** @type {number} */ pid) {
  const ports = new Set();
  for (const table of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1)) {
      const [, local = '', , state] = line.trim().split(/\s+/);
      const [address = '', port = ''] = local.split(':');
      if (state === '0A' && /^0+$/.test(address)) ports.add(Number.parseInt(port, 16));
    }
  }
  return [...ports].filter((port) => port >= 1024);
}

function outside(/** @type {number} */ pid, /** @type {string} */ path, /** @type {string[]} */ rest) {
  const dynamic = !rest.includes('--only');
  const always = rest.filter((argument) => argument !== '--only').map(Number);
  const helper = spawn(
    'nsenter',
    ['-t', String(pid), '-n', process.execPath, import.meta.filename, '--inside', path],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    },
  );
  /** @type {Map<number, import('node:net').Server>} */
  const servers = new Map();
  const refused = new Set();

  const listen = (/** @type {number} */ port) => {
    if (servers.has(port) || refused.has(port)) return;
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const inner = connect({ path, allowHalfOpen: true });
      inner.write(String(port).padStart(5, '0'));
      join(client, inner);
    });
    servers.set(port, server);
    server.on('error', (error) => {
      servers.delete(port);
      refused.add(port);
      process.stderr.write(`port ${port} cannot be forwarded: ${error.message}\n`);
      if (always.includes(port)) stop(1);
    });
    server.listen(port, '127.0.0.1');
  };

  const look = () => {
    let wanted = always;
    try {
      if (dynamic) wanted = [...always, ...publicPorts(pid)];
    } catch {
      stop(0); // The host is gone.
    }
    for (const port of wanted) listen(port);
    for (const [port, server] of servers) {
      if (wanted.includes(port)) continue;
      servers.delete(port);
      server.close();
    }
  };

  const stop = (/** @type {number} */ status) => {
    helper.stdin?.end();
    rmSync(path, { force: true });
    process.exit(status);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stop(0));
  helper.on('exit', () => stop(1));
  helper.stdout?.once('data', () => {
    look();
    setInterval(look, lookInterval);
  });
}

const [first = '', second = '', ...rest] = process.argv.slice(2);
if (first === '--inside') inside(second);
else outside(Number(first), second, rest);
