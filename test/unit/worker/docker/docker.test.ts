import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Dockerode from 'dockerode';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { dockerCommands } from '../../../../src/worker/docker/commands.ts';
import { createDocker } from '../../../../src/worker/docker/docker.ts';
import { asDockerFailure, asPullFailure } from '../../../../src/worker/docker/failures.ts';
import { followLayers, pullImage } from '../../../../src/worker/docker/images/pull.ts';
import { listening } from '../../../support/listening.ts';

test('progress adds up all layers and never falls', () => {
  const seen: number[] = [];
  const event = followLayers(({ percent }) => seen.push(percent));
  for (const id of ['a', 'b']) event({ id, status: 'Pulling fs layer' });
  event({ id: 'a', status: 'Downloading', progressDetail: { current: 50, total: 100 } });
  event({ id: 'a', status: 'Download complete' });
  event({ id: 'c', status: 'Pulling fs layer' });
  event({ id: 'a', status: 'Extracting', progressDetail: { current: 1, total: 2 } });
  for (const id of ['a', 'b', 'c']) event({ id, status: 'Pull complete' });
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(seen.at(-1)).toBe(100);
});

test('a layer that is there already is no progress of those that are not', () => {
  const seen: number[] = [];
  const event = followLayers(({ percent }) => seen.push(percent));
  event({ id: 'base', status: 'Already exists' });
  event({ id: 'a', status: 'Pulling fs layer' });
  event({ id: 'a', status: 'Downloading', progressDetail: { current: 50, total: 100 } });
  expect(seen).toEqual([35]);
});

test.each([
  ['manifest for a:1 not found: manifest unknown', 'image_not_found', false],
  [
    "pull access denied for a, repository does not exist or may require 'docker login': denied",
    'registry_failed',
    false,
  ],
  ['Get "http://r/v2/": unauthorized: authentication required', 'registry_failed', false],
  [
    'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
    'registry_failed',
    true,
  ],
  ['received unexpected HTTP status: 503 Service Unavailable', 'registry_failed', true],
  [`manifest verification failed for digest sha256:${'0'.repeat(64)}`, 'registry_failed', false],
])('the registry saying %j is %s', (message, code, transient) => {
  const failure = asPullFailure('a', new Error(message));
  expect(failure).toMatchObject({ code, transient });
  expect(failure.message).not.toContain(message);
});

test('what keeps a registry from giving an image has the same words, whatever it is', () => {
  const said = [
    'Get "http://r:1/v2/": dial tcp 10.0.0.1:1: connect: connection refused',
    'Get "https://r:1/v2/": net/http: TLS handshake timeout',
    'Get "https://r:1/v2/": net/http: request canceled while waiting for connection',
    'Get "https://r:1/v2/": x509: certificate signed by unknown authority',
    'Get "https://r:1/v2/": http: server gave HTTP response to HTTPS client',
    'received unexpected HTTP status: 500 Internal Server Error',
    `error parsing HTTP 404 response body: invalid character 'p': "404 page not found"`,
    `error parsing HTTP 403 response body: invalid character '<': "<p>Forbidden</p>"`,
  ];
  const told = said.map((message) => asPullFailure('r:1/a', new Error(message)).message);
  expect(new Set(told)).toEqual(new Set(['the registry of r:1/a could not be reached or gave no image']));
});

test.each([
  'write /var/lib/docker/tmp/GetImageBlob284: no space left on device',
  'failed to register layer: Error processing tar file(exit status 1): write /a: no space left on device',
  '(HTTP code 500) server error - mkdir /var/lib/docker/overlay2/1-init: no space left on device ',
  'write /var/lib/docker/tmp/GetImageBlob284: disk quota exceeded',
  'failed to copy: failed to send write: write /var/lib/containerd/ingest/1/data: no space left on device: unknown',
])('the engine saying %j has a full disk, which passes', (message) => {
  const full = { code: 'host_unavailable', transient: true, message: expect.stringContaining('full; free') };
  expect(asPullFailure('a', new Error(message))).toMatchObject(full);
  expect(asDockerFailure(new Error(message))).toMatchObject(full);
});

test.each([
  'unknown: no space left on device',
  'unknown: write /var/lib/docker/tmp/GetImageBlob284: no space left on device',
  '(HTTP code 500) server error - unknown: write /a: no space left on device ',
  'received unexpected HTTP status: 500 write /a: no space left on device',
  'failed to copy: httpReadSeeker: failed open: unexpected status code https://r/v2/: 500 - Server message: unknown: no space left on device',
  'failed to resolve reference "r/a:1": unexpected status: write /a: disk quota exceeded',
])('a registry that has the engine say %j has not filled the disk of the host', (message) => {
  expect(asPullFailure('r/a', new Error(message)).code).toBe('registry_failed');
});

const endings: [status: number, line: string, expected: object][] = [
  [125, 'Conflict. The container name "/gear-a" is already in use', {}],
  [126, 'OCI runtime create failed: unable to apply cgroup configuration: no such file', {}],
  [125, 'mkdir /var/lib/docker/overlay2/1-init: no space left on device', {}],
  [125, 'Bind for 0.0.0.0:4000 failed: port is already allocated', { code: 'port_taken', transient: false }],
  [125, 'listen tcp4 0.0.0.0:4000: bind: address already in use', { code: 'port_taken', transient: false }],
];

test.each(
  endings,
)('an exit with %i after %j by the client is a failure of the engine', (status, line, expected) => {
  const lines = ['first', `docker: Error response from daemon: ${line}`];
  const passing = { code: 'host_unavailable', transient: true };
  expect(dockerCommands.explainExit(status, lines)).toMatchObject({ ...passing, ...expected });
});

test.each(endings)('an exit with %i after %j by the gear is none', (status, line) => {
  expect(dockerCommands.explainExit(status, [line])).toMatch(new RegExp(`\\(exit status ${status}\\)$`));
});

test.each([
  [125, 'a', 'Docker could not create the container (exit status 125)'],
  [126, 'bind: address already in use', 'the command in the container cannot be executed (exit status 126)'],
  [127, 'no space left on device', 'the command does not exist in the container (exit status 127)'],
  [1, 'port is already allocated', null],
  [137, 'The container name "/gear-a" is already in use', null],
])('an exit with %i after %j is the container’s own', (status, line, sentence) => {
  expect(dockerCommands.explainExit(status, [line])).toBe(sentence);
});

/** An engine that has one image, and takes it for whatever it is asked for. */
const engineWith = (image: { Id: string; RepoTags?: string[]; RepoDigests: string[] | null }) =>
  engineThat((_req, res) => {
    res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ ...image, Config: {} }));
  });

/** The socket of an engine that answers like this until the test has finished. */
async function engineThat(answers: RequestListener): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-engine-'));
  const socket = join(directory, 'socket');
  const engine = createServer(answers);
  await once(engine.listen(socket), 'listening');
  onTestFinished(async () => {
    engine.close();
    engine.closeAllConnections();
    await rm(directory, { recursive: true });
  });
  return socket;
}

test('an image with another digest than the reference is not the image, whatever the engine says', async () => {
  const [right, wrong] = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}`);
  const socketPath = await engineWith({
    Id: 'sha256:1',
    RepoTags: ['r:5000/git:1'],
    RepoDigests: [`r:5000/git@${right}`],
  });
  const docker = createDocker({ socketPath, log: pino({ level: 'silent' }) });
  onTestFinished(() => docker.close());
  expect(await docker.image(`r:5000/git@${wrong}`)).toBeNull();
  expect(await docker.image(`r:5000/git:1@${wrong}`)).toBeNull();
  for (const reference of [`r:5000/git@${right}`, `r:5000/git:1@${right}`, 'r:5000/git:1'])
    expect(await docker.image(reference), reference).toMatchObject({ id: 'sha256:1' });
});

test('an engine that takes a name for the beginning of an id gives no image', async () => {
  const socketPath = await engineWith({
    Id: `sha256:${'ab'.repeat(32)}`,
    RepoTags: ['secret:1'],
    RepoDigests: [],
  });
  const docker = createDocker({ socketPath, log: pino({ level: 'silent' }) });
  onTestFinished(() => docker.close());
  for (const reference of ['ab', 'abab', 'secret', 'secret:2', 'r/secret:1'])
    expect(await docker.image(reference), reference).toBeNull();
  expect(await docker.image('docker.io/library/secret:1')).not.toBeNull();
});

test.each<[string, RequestListener]>([
  ['says nothing', () => undefined],
  ['says nothing after the headers', (_req, res) => res.writeHead(200).flushHeaders()],
  [
    'ends after the headers',
    (_req, res) => {
      res.writeHead(200).flushHeaders();
      setImmediate(() => res.socket?.destroy());
    },
  ],
])('an engine that %s is a fault that passes, also while a container is removed', async (_, answers) => {
  const asked: string[] = [];
  const socketPath = await engineThat((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    if (req.method === 'DELETE') res.writeHead(409).end('{"message":"removal is already in progress"}');
    else answers(req, res);
  });
  const docker = createDocker({ socketPath, log: pino({ level: 'silent' }), callDeadline: 200 });
  onTestFinished(() => docker.close());
  const passing = { code: 'host_unavailable', transient: true };
  await expect(docker.removeContainer('gear-a')).rejects.toMatchObject(passing);
  expect(asked).toContain('POST /containers/gear-a/wait?condition=removed');
  await expect(docker.image('a')).rejects.toMatchObject(passing);
  const network = docker.createNetwork({ name: 'a', bridge: 'a', subnet: '10.251.9.0/26' });
  await expect(network).rejects.toMatchObject(passing);
});

/** Pulls an image from an engine that answers like this. */
async function pullFrom(
  answers: RequestListener,
  onProgress: Parameters<typeof pullImage>[2] = () => undefined,
  deadlines?: Parameters<typeof pullImage>[4],
): Promise<void> {
  const [host, port] = (await listening(createServer(answers))).split(':');
  const { signal } = new AbortController();
  return pullImage(new Dockerode({ host, port }), 'a:1', onProgress, signal, deadlines);
}

test('a line of an engine that is not JSON does not end a pull, nor the worker', async () => {
  const seen: number[] = [];
  const line = (event: object) => `${JSON.stringify(event)}\r\n`;
  const layer = line({ id: 'a', status: 'Downloading', progressDetail: { current: 50, total: 100 } });
  const pulled = pullFrom(
    (_req, res) =>
      res.end(`{"id":"a","status"\n\n"text"\nnull\n${layer}${line({ id: 'a', status: 'Pull complete' })}`),
    ({ percent }) => seen.push(percent),
  );
  await expect(pulled).resolves.toBeUndefined();
  expect(seen).toEqual([35, 100]);
});

test('an engine that breaks off its answer to a pull is a fault that passes', async () => {
  const pulled = pullFrom((_req, res) => {
    res.write(`${JSON.stringify({ id: 'a', status: 'Downloading' })}\n`);
    setTimeout(() => res.socket?.destroy(), 50);
  });
  await expect(pulled).rejects.toMatchObject({ code: 'host_unavailable', transient: true });
});

test('the error of an engine that then breaks off its answer is told', async () => {
  const pulled = pullFrom((_req, res) => {
    res.write(`${JSON.stringify({ error: 'manifest unknown' })}\n`);
    setTimeout(() => res.socket?.destroy(), 50);
  });
  await expect(pulled).rejects.toMatchObject({ code: 'image_not_found' });
});

const never = 60_000;
test.each([
  ['says nothing any more', { whole: never, next: 500, queued: never }, ['Downloading'], never],
  [
    'stalls while other layers wait',
    { whole: never, next: 500, queued: never },
    ['Downloading', 'Waiting'],
    never,
  ],
  [
    'has to wait for other pulls for too long',
    { whole: never, next: 500, queued: 2_000 },
    ['Waiting'],
    never,
  ],
  ['goes on and on', { whole: 2_000, next: never, queued: never }, ['Downloading'], 20],
])('a pull whose registry %s ends with a timeout', async (_, deadlines, said, interval) => {
  const answers: RequestListener = (_req, res) => {
    res.writeHead(200, { 'Content-Type': 'application/json' });
    const tell = () => said.map((status, id) => res.write(`${JSON.stringify({ id: String(id), status })}\n`));
    tell();
    const timer = setInterval(tell, interval);
    res.once('close', () => clearInterval(timer));
  };
  const began = performance.now();
  const pulled = pullFrom(answers, undefined, deadlines);
  await expect(pulled).rejects.toMatchObject({
    code: 'timeout',
    message: 'a:1: the registry sends too slowly',
  });
  const shortest = Math.min(
    deadlines.whole,
    said.includes('Downloading') ? deadlines.next : deadlines.queued,
  );
  expect(performance.now() - began).toBeGreaterThan(shortest - 10);
});
