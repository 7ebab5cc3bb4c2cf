import { describeTarget } from '../../restore/target/recovery-target.ts';
import type { Context } from '../../shared/context.ts';
import type { RestoreRun } from './restore-run.ts';

/** Says what begins, in Barman's words. */
export function announceRestore({ server, plan, planned }: RestoreRun, { messages }: Context): void {
  const { backup, places, timelines } = planned;
  const { target, request, warnings } = plan;
  const { remoteSshCommand } = request;
  const where = remoteSshCommand === undefined ? 'local' : 'remote';
  messages.info(`Starting ${where} restore for server ${server.config.name} using backup ${backup.id}`);
  messages.info(`Destination directory: ${places.destination}`);
  if (remoteSshCommand !== undefined) messages.info(`Remote command: ${remoteSshCommand}`);
  if (backup.status === 'WAITING_FOR_WALS') {
    messages.warning(
      'IMPORTANT: You have requested a recovery operation for a backup that does not have yet all the WAL files that are required for consistency.',
    );
  }
  for (const warning of warnings) messages.warning(warning);
  const words = [
    ...(target.kind === 'none' ? [] : [describeTarget(target)]),
    ...(request.targetTimeline === undefined ? [] : [`timeline: '${String(timelines.timeline)}'`]),
  ];
  if (words.length > 0) messages.info(`Doing PITR. Recovery target ${words.join(', ')}`);
  for (const { oid, name, location } of places.tablespaces) messages.info(`\t${String(oid)}, ${name}, ${location}`);
}
