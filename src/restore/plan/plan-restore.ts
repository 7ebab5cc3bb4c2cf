import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import type { Context } from '../../shared/context.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { Refusals } from '../guards/refusals.ts';
import { requireFileName } from '../guards/require-file-name.ts';
import { assumedZone } from '../target/assumed-zone.ts';
import { parseTarget } from '../target/recovery-target.ts';
import { ineffectiveOptions } from './ineffective-options.ts';
import { planChosen } from './plan-chosen.ts';
import type { RestorePlanning } from './restore-aim.ts';
import { unavailableChoices } from './restore-options.ts';
import type { RestorePlan } from './restore-plan.ts';

/**
 * Reads what there is and decides all of a restore, without writing a byte: which backup, from where to where, which WAL, which settings, and every reason
 * why it cannot be done.
 */
export async function planRestore(planning: RestorePlanning, context: Context): Promise<RestorePlan> {
  const { server, request } = planning;
  const refusals = new Refusals(request.allowed);
  const warnings: string[] = [];
  for (const { ignoring, message } of unavailableChoices(request)) {
    if (ignoring === 'refuse') refusals.add(new OperatorError('not-available-yet', message));
    else warnings.push(message);
  }
  warnings.push(...ineffectiveOptions(request));
  const { backups, broken } = await readBackupRecords(server.layout);
  const damaged = broken.find(({ id }) => id === request.backup);
  if (damaged !== undefined) throw damaged.reason;
  const zone = request.targetTime === undefined ? undefined : await assumedZone({ ...planning, backups });
  const { target, isPitr, warnings: about } = parseTarget(request, zone, refusals.add);
  warnings.push(...about);
  await refusals.take(() => requireFileName(request.recoveryConfFilename));
  const aim = { ...planning, backups, target, isPitr };
  const planned = await planChosen(aim, { refusals, warnings }, context);
  const all = [...warnings, ...refusals.warnings];
  return { serverName: server.config.name, request, target, isPitr, planned, warnings: all, refusals: refusals.errors };
}
