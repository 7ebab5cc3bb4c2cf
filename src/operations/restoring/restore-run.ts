import type { Server } from '../../config/server.ts';
import type { RestoreHost } from '../../restore/host/restore-host.ts';
import type { PlannedRestore, RestorePlan } from '../../restore/plan/restore-plan.ts';
import type { StageClock } from '../../restore/plan/stage-clock.ts';
import type { RestoreHosts } from './open-restore-hosts.ts';

/** One restore under way. */
export interface RestoreRun {
  readonly server: Server;
  readonly plan: RestorePlan;
  readonly planned: PlannedRestore;
  readonly hosts: RestoreHosts;
  readonly restoreHost: RestoreHost;
  readonly stages: StageClock;
}
