import { Failure } from '../../jobs/errors.ts';

/** The same message for every reason why a registry gives no image. */
export function registryUnreachable(reference: string, cause: unknown): Failure {
  const detail = `the registry of ${reference} could not be reached or gave no image`;
  return new Failure('registry_failed', detail, { transient: true, cause });
}
