import type { Tree } from './tree.ts';

/** The end of the walk, which is the same in every layout. */
const fromNetworkToFile: readonly string[] = [
  'src/worker/gear/networks.ts',
  'src/worker/gear/published-ports.ts',
  'src/worker/host/ports.ts',
  'src/worker/gear/volumes.ts',
  'src/worker/gear/gear-index.ts',
  'src/worker/gear/transaction.ts',
  'src/worker/domain/unit-file.ts',
  'src/worker/domain/quote.ts',
  'src/worker/host/files.ts',
];

/**
 * The files to read to follow the parameter `r` of `PUT container` from the URL to the unit file on disk, in the order in
 * which they first come up. A file is listed if what it does with the name decides the text of the unit, its place, or
 * what is reserved for it. Files that only look whether systemd or the engine knows the name are not listed, and
 * neither are files that hold types only.
 *
 * The lists are kept by hand, one for each layout: a route finds its handler by data, so following imports would find
 * the files of every route. A test fails if no list fits the tree.
 */
const presentLayout: readonly string[] = [
  // The api reads the request.
  'src/api/request/token-path.ts',
  'src/api/dispatch.ts',
  'src/requests/authorize.ts',
  'src/requests/routes.ts',
  'src/jobs/parameters.ts',
  'src/jobs/checked.ts',
  'src/jobs/fields/identifier.ts',
  'src/jobs/access/patterns.ts',
  'src/requests/references.ts',
  // The api finds a host.
  'src/api/routes/changes.ts',
  'src/queue/api-queue.ts',
  // The queue accepts the job.
  'src/queue/accept/accept.ts',
  'src/queue/accept/host-predictor.ts',
  'src/queue/accept/record-request.ts',
  'src/queue/directory/entries.ts',
  'src/queue/redis/keys.ts',
  'src/requests/envelope.ts',
  'src/token/seal.ts',
  'src/queue/scripts/run-script.ts',
  'src/queue/scripts/lua/accept/accept.lua',
  'src/queue/scripts/lua/include/claim.lua',
  'src/queue/scripts/lua/include/directory.lua',
  'src/queue/scripts/lua/include/lists.lua',
  // The worker takes the job.
  'src/queue/records/worker-records.ts',
  'src/queue/records/job-record.ts',
  'src/worker/runner/runner.ts',
  'src/worker/runner/admission.ts',
  'src/worker/authorization.ts',
  'src/worker/runner/run-job.ts',
  'src/worker/jobs/execute.ts',
  // The worker installs the gear.
  'src/worker/handlers/install.ts',
  'src/worker/gear/gear-files.ts',
  'src/worker/domain/paths.ts',
  'src/worker/environment/environment-image.ts',
  'src/worker/docker/images/images.ts',
  'src/worker/docker/commands.ts',
  ...fromNetworkToFile,
];

const layoutF24b430: readonly string[] = [
  'src/api/token-path.ts',
  'src/api/dispatch.ts',
  'src/requests/authorize.ts',
  'src/requests/rules.ts',
  'src/api/request-context.ts',
  'src/requests/parameters.ts',
  'src/jobs/identifier.ts',
  'src/requests/patterns.ts',
  'src/jobs/container.ts',
  'src/requests/copies.ts',
  'src/requests/references.ts',
  'src/api/routes/changes.ts',
  'src/api/submit.ts',
  'src/api/placement.ts',
  'src/queue/open-front.ts',
  'src/queue/accept.ts',
  'src/queue/guesses.ts',
  'src/queue/accept-arguments.ts',
  'src/queue/record-request.ts',
  'src/queue/names.ts',
  'src/queue/keys.ts',
  'src/token/seal.ts',
  'src/queue/scripts/run-script.ts',
  'src/queue/scripts/accept.ts',
  'src/queue/scripts/lists.ts',
  'src/queue/ledger.ts',
  'src/queue/record.ts',
  'src/worker/runner.ts',
  'src/worker/gate.ts',
  'src/worker/execute.ts',
  'src/worker/handlers/handlers.ts',
  'src/worker/handlers/install.ts',
  'src/worker/gear/gear-files.ts',
  'src/worker/domain/paths.ts',
  'src/worker/gear/environment-image.ts',
  ...fromNetworkToFile,
];

/** One list for each layout, named by the commit that brought it. */
const walks = [layoutF24b430, presentLayout];

/** The list that fits a tree best: the one of which the tree lacks the fewest files. */
function nearestWalk(tree: Tree): readonly string[] {
  const missing = (walk: readonly string[]) => walk.filter((file) => !tree.has(file)).length;
  return walks.reduce((best, walk) => (missing(walk) < missing(best) ? walk : best));
}

/** The files that a tree lacks of the list that fits it best; none where that list is up to date. */
export const missingOnWalk = (tree: Tree): string[] => nearestWalk(tree).filter((file) => !tree.has(file));

/** How many files the walk has in a tree; null where no list fits it. */
export const walkLength = (tree: Tree): number | null =>
  missingOnWalk(tree).length === 0 ? nearestWalk(tree).length : null;
