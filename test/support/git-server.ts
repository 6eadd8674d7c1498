import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { makeBare } from './repository.ts';
import { until } from './until.ts';

/** An HTTP server that notes what it was asked for. */
export interface TestServer {
  port: number;
  asked: string[];
  close(): void;
}

export async function openServer(answer: RequestListener): Promise<TestServer> {
  const asked: string[] = [];
  const server: Server = createServer((req, res) => {
    asked.push(req.url ?? '');
    answer(req, res);
  });
  server.on('connection', (socket) => asked.push(`connection from ${socket.remoteAddress}`));
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Answers with the files below a directory. */
const filesBelow =
  (directory: string): RequestListener =>
  (req, res) => {
    const path = join(directory, normalize(decodeURIComponent((req.url ?? '').split('?')[0] ?? '')));
    if (!existsSync(path) || !statSync(path).isFile()) res.writeHead(404).end();
    else createReadStream(path).pipe(res.writeHead(200));
  };

/** Serves the files below a directory, but answers nothing before it is let go. */
export async function openSlowServer(directory: string): Promise<TestServer & { letGo(): void }> {
  let letGo = () => {};
  const released = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const answer = filesBelow(directory);
  const server = await openServer((req, res) => void released.then(() => answer(req, res)));
  return { ...server, letGo };
}

/** Serves repositories as files, which git reads by its "dumb" protocol, and by git's own daemon. */
export interface GitServer {
  directory: string;
  http: TestServer;
  gitPort: number;
  /** Makes a bare repository that is served under this name. */
  create(name: string): Promise<string>;
  close(): Promise<void>;
}

export async function openGitServer(): Promise<GitServer> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-served-'));
  const http = await openServer(filesBelow(directory));
  const gitPort = http.port + 1 > 65_535 ? 20_000 : http.port + 1;
  const args = [
    'daemon',
    '--export-all',
    `--base-path=${directory}`,
    '--listen=127.0.0.1',
    `--port=${gitPort}`,
  ];
  const daemon = spawn('git', [...args, '--reuseaddr', directory], { stdio: 'ignore', detached: true });
  await until('git daemon answers', async () => {
    const socket = connect(gitPort, '127.0.0.1');
    const [answered] = await Promise.race([
      once(socket, 'connect').then(() => [true]),
      once(socket, 'error').then(() => [false]),
    ]).catch(() => [false]);
    socket.destroy();
    return answered;
  });
  return {
    directory,
    http,
    gitPort,
    create: (name) => makeBare(join(directory, name)),
    async close() {
      http.close();
      const exited = once(daemon, 'exit');
      if (daemon.pid) process.kill(-daemon.pid, 'SIGKILL'); // Its own process group, which it serves by.
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
