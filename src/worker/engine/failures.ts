import { Failure } from '../../jobs/errors.ts';

/** The same message for every reason why a registry gives no image. */
export function registryUnreachable(reference: string, cause: unknown): Failure {
  const detail = `the registry of ${reference} could not be reached or gave no image`;
  return new Failure('registry_failed', detail, { transient: true, cause });
}

/**
 * A message without the directories of absolute paths: clients must not see the host's paths.
 * Leaves URLs and names of images as they are.
 */
export const withoutDirectories = (message: string) =>
  message.replace(/(?<![\w./-])\/(?!\/)[^\s:"']*\//g, '');
