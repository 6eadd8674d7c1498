import type { Site } from '../lab/site.ts';
import { becomesJob, resourceOf, tell } from '../plan/operation.ts';
import { askUntilAnswered, isAcknowledged, type Sent } from '../play/client.ts';
import type { Folded } from './fold.ts';
import type { Request } from './request.ts';
import { type Violation, violation } from './violation.ts';

/** Milliseconds by which two clocks that tell milliseconds may differ. */
const tick = 5;

/** What is wrong with the answers that requests have got, and with jobs that are not over. */
export function checkAnswers(requests: readonly Request[], presence: Folded['presence']): Violation[] {
  return requests
    .filter(({ sent }) => sent.operation.kind !== 'log')
    .flatMap((request) => checkAnswer(request, requests, presence));
}

function checkAnswer(
  { sent, job }: Request,
  requests: readonly Request[],
  presence: Folded['presence'],
): Violation[] {
  const told = `${tell(sent.operation)}: ${sent.status} ${sent.code ?? ''}`;
  if (sent.status === null) return [violation('unanswered', told)];
  if (isAcknowledged(sent)) {
    if (!becomesJob(sent.operation)) return [];
    if (job === null) return [violation('lost', `${told}, and there is no such job`)];
    return job.finishedAt === null ? [violation('lost', `${told}, and it is ${job.state} still`)] : [];
  }
  return mayBeRefused(sent, requests, presence) ? [] : [violation('failed', told)];
}

function mayBeRefused(sent: Sent, requests: readonly Request[], presence: Folded['presence']): boolean {
  const { operation, code } = sent;
  switch (code) {
    case 'container_not_found':
    case 'environment_not_found':
      return wasOnce(sent, presence.get(resourceOf(operation)) ?? [], 'absent');
    case 'precondition_failed':
      return wasOnce(sent, presence.get(resourceOf(operation)) ?? [], 'there');
    case 'repository_exists':
      return requests.some(
        ({ sent: other }) =>
          other !== sent &&
          resourceOf(other.operation) === resourceOf(operation) &&
          other.sentAt <= sent.answeredAt,
      );
    case 'job_finished':
      return operation.kind === 'cancel';
    case 'job_not_found': {
      // Only the job of a request that was acknowledged is known to be there.
      const target = requests.find(
        ({
          sent: {
            operation: { id },
          },
        }) => operation.kind === 'cancel' && operation.target === id,
      );
      return target === undefined || !isAcknowledged(target.sent) || target.sent.answeredAt > sent.sentAt;
    }
    default:
      return false;
  }
}

/** Whether the thing was there, or absent, at any moment while the request was on its way. */
function wasOnce(
  { sentAt, answeredAt }: Sent,
  history: { at: number; exists: boolean }[],
  how: 'there' | 'absent',
): boolean {
  return history.some(({ at, exists }, i) => {
    const until = history[i + 1]?.at ?? Number.POSITIVE_INFINITY;
    return exists === (how === 'there') && at <= answeredAt + tick && until >= sentAt - tick;
  });
}

/** Sends what was acknowledged once more: it must be the same job, as it ended. */
export async function checkReplays(site: Site, requests: readonly Request[]): Promise<Violation[]> {
  const acknowledged = requests.filter(({ sent, job }) => job?.finishedAt && isAcknowledged(sent));
  const found = await Promise.all(
    acknowledged.map(async ({ sent, job }) => {
      const { answer } = await askUntilAnswered(site, sent.operation);
      const again = JSON.stringify(answer?.body);
      if (answer?.status === 200 && answer.replayed && again === JSON.stringify(job)) return [];
      return [
        violation(
          'replay',
          `${tell(sent.operation)}: ${answer?.status} ${again}, was ${JSON.stringify(job)}`,
        ),
      ];
    }),
  );
  return found.flat();
}
